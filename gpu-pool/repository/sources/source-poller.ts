import type { Logger } from "pino";
import type { Clock } from "../../scheduler/executor.ts";
import { asSourceError } from "./source-error.ts";
import type { SyncResult } from "./sync.ts";

export interface SourcePollerOptions {
  readonly sync: (signal: AbortSignal) => Promise<SyncResult>;
  /** Called with the models of which something is other than before; the next sync waits for it. */
  readonly onChange: (models: readonly string[]) => Promise<void>;
  readonly everyMs: number;
  readonly clock: Pick<Clock, "schedule">;
  /** Uniform from 0 to below 1. */
  readonly random: () => number;
  readonly log: Pick<Logger, "info" | "warn">;
}

/** Nodes that have started together must not go on asking together. */
const SPREAD = 0.1;
const LONGEST_BACKOFF_MS = 600_000;

/**
 * Syncs again and again, and tells what has changed, whichever process brought it. A sync that fails leaves what is there and makes
 * the next one later: the interval doubled with each failure, at most 10 minutes unless the interval is longer.
 */
export class SourcePoller {
  readonly #options: SourcePollerOptions;
  readonly #stopping = new AbortController();
  #seen: ReadonlyMap<string, string> | undefined;
  #failures = 0;
  #cancel: () => void = () => undefined;
  #inFlight: Promise<void> = Promise.resolve();

  constructor(options: SourcePollerOptions) {
    this.#options = options;
  }

  /**
   * Syncs for the first time when an interval has passed. To be called once.
   *
   * @param held what the folder is known to have; undefined: it is not known, and the first sync tells all
   */
  start(held: ReadonlyMap<string, string> | undefined): void {
    this.#seen = held;
    this.#schedule();
  }

  /** Ends it; resolves when a sync that is going on has stopped. */
  async stop(): Promise<void> {
    this.#cancel();
    this.#stopping.abort(new Error("the poller was stopped"));
    await this.#inFlight;
  }

  #schedule(): void {
    if (this.#stopping.signal.aborted) return;
    const { clock, everyMs, random } = this.#options;
    this.#cancel = clock.schedule(waitMs(everyMs, this.#failures, random), () => {
      this.#inFlight = this.#poll().then(() => this.#schedule());
    });
  }

  async #poll(): Promise<void> {
    const { sync, onChange, log } = this.#options;
    const { signal } = this.#stopping;
    try {
      const { held, failures } = await sync(signal);
      this.#ended(failures.length > 0);
      const changed = differences(this.#seen, held);
      this.#seen = held;
      if (changed.length > 0 && !signal.aborted) await onChange(changed);
    } catch (error) {
      if (signal.aborted) return;
      this.#ended(true);
      const { reason, message } = asSourceError(error);
      log.warn({ reason, text: message, failures: this.#failures }, "models not synced");
    }
  }

  #ended(hasFailed: boolean): void {
    if (!hasFailed && this.#failures > 0)
      this.#options.log.info({ failures: this.#failures }, "models are synced again");
    this.#failures = hasFailed ? this.#failures + 1 : 0;
  }
}

/** Until the next sync, in milliseconds, after so many that failed in a row. */
export function waitMs(everyMs: number, failures: number, random: () => number): number {
  const backoffMs = Math.min(everyMs * 2 ** failures, Math.max(everyMs, LONGEST_BACKOFF_MS));
  return backoffMs * (1 - SPREAD + 2 * SPREAD * random());
}

function differences(before: ReadonlyMap<string, string> | undefined, now: ReadonlyMap<string, string>): string[] {
  const names = new Set([...(before?.keys() ?? []), ...now.keys()]);
  return [...names].filter((name) => before?.get(name) !== now.get(name)).sort();
}
