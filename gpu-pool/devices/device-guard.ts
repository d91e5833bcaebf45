/**
 * The one owner of what is known of a device's health (`device-recovery.ts`): every executor on the device asks it before a
 * run and tells it how the run ended.
 *
 *     const guard = new DeviceGuard({ now: realClock.now, log, onRecycle: (reason) => stopAndStartAnew(reason) });
 */
import type { Logger } from "pino";
import {
  type DeviceEvent,
  type DeviceState,
  isReady,
  next,
  startedAt,
  type Verdict,
  verdict,
} from "./device-recovery.ts";

export interface DeviceGuardOptions {
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  /** Called once: answer what is waiting and end the process. `lostBy`: the model whose run lost the context, if that is why. */
  readonly onRecycle: (reason: string, lostBy: string | undefined) => void;
}

/** What has happened to a device, as counts that only grow. */
export interface DeviceCounts {
  outOfMemory: number;
  sticky: number;
  renewed: number;
  renewalsFailed: number;
}

export class DeviceGuard {
  readonly #options: DeviceGuardOptions;
  readonly #counts: DeviceCounts = { outOfMemory: 0, sticky: 0, renewed: 0, renewalsFailed: 0 };
  #state: DeviceState;

  constructor(options: DeviceGuardOptions) {
    this.#options = options;
    this.#state = startedAt(options.now());
  }

  get counts(): Readonly<DeviceCounts> {
    return this.#counts;
  }

  /** Models that do not run as they like, with the rows that a batch of them may have; 0: none runs. */
  caps(): readonly { readonly model: string; readonly cap: number }[] {
    if (this.#state.kind === "recycling") return [];
    return [...this.#state.models.keys()].flatMap((model) => {
      const now = this.#verdict(model);
      if (now.kind === "refuse") return [{ model, cap: 0 }];
      return now.cap < Number.POSITIVE_INFINITY ? [{ model, cap: now.cap }] : [];
    });
  }

  /** Whether a batch of the model may run now, and of how many rows; whether its sessions are to be renewed first. */
  ask(model: string): { readonly verdict: Verdict; readonly renew: boolean } {
    const renew = this.tell({ kind: "asked", model });
    return { verdict: this.#verdict(model), renew };
  }

  /** @returns whether the model's sessions are to be renewed now; how that ended is to be told */
  tell(event: DeviceEvent): boolean {
    const { onRecycle } = this.#options;
    const before = this.#state;
    const { state, action } = next(before, event, this.#options.now());
    this.#state = state;
    if (isReady(before)) this.#note(event);
    if (action?.kind === "recycle") onRecycle(action.reason, event.kind === "sticky" ? event.model : undefined);
    return action?.kind === "renew";
  }

  #verdict(model: string): Verdict {
    return verdict(this.#state, model, this.#options.now());
  }

  #note(event: DeviceEvent): void {
    const { log } = this.#options;
    const { model } = event;
    if (event.kind === "out_of_memory") {
      this.#counts.outOfMemory++;
      const now = this.#verdict(model);
      const follows = now.kind === "run" ? { cap: now.cap } : { refused: now.why };
      log.warn({ model, rows: event.rows, ...follows }, "a run is out of device memory");
    } else if (event.kind === "sticky") {
      this.#counts.sticky++;
      log.error({ model, reason: event.reason }, "the device's context is lost");
    } else if (event.kind === "renewed") {
      this.#counts.renewed++;
      log.info({ model }, "sessions renewed");
    } else if (event.kind === "renewal_failed") {
      this.#counts.renewalsFailed++;
      log.error({ model, reason: event.reason }, "sessions could not be renewed");
    }
  }
}
