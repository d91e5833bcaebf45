/**
 * Tries every new artefact in a process that may be lost, before the serving process touches it. A file that crashes
 * ONNX Runtime, hangs it or takes all memory then costs a refusal with a reason, and nobody who is being served notices.
 *
 *     const prober = new Prober({ limitMs: 120_000, memoryLimitBytes: () => 2 ** 30, log });
 *     const report = await prober.probe({ model: "digits", version: "1", digest, settings, sample: undefined });
 *
 * Promises: one artefact at a time; what has passed is not tried again; a process that has died or was killed is never
 * used again; an artefact is blamed for a death only if the process had tried nothing before it.
 *
 * Worst cases: it takes twice `limitMs` to refuse a file that hangs behind others. Memory is watched by its resident size
 * every 10 ms (no limit of Node's bounds what native code takes), so a model can overdraw its limit by what the system
 * hands out meanwhile: some 50 MB, and three times that on a busy machine; on Linux the process is also the first that is
 * ended when the machine or container has none left. Processes are kept for the next artefact for `IDLE_MS`: a scan of many
 * small ones pays for one start, about a third of a second.
 */
import type { Logger } from "pino";
import { WarmgateError } from "../../../shared/protocol/errors.ts";
import type { Tensor } from "../../../shared/protocol/tensor.ts";
import { publicReason } from "../../runtime/public-reason.ts";
import type { WorkerSettings } from "../../runtime/worker-protocol.ts";
import type { ProbeReport, ProbeRequest } from "./probe-messages.ts";
import { type ProbeEnding, ProbeProcess } from "./probe-process.ts";

const IDLE_MS = 2_000;
/** Artefacts whose reports are remembered. */
const MOST_REPORTS = 1_024;
/** Memory that an artefact is always allowed, however little is left. */
const LEAST_BYTES = 256 * 1024 ** 2;
/** What took more than this leaves so much behind that the next one's memory could not be told from it. */
const LARGE_BYTES = 64 * 1024 ** 2;

/** An artefact to be tried. */
export interface Subject {
  readonly model: string;
  readonly version: string;
  /** Names its content. */
  readonly digest: string;
  readonly settings: WorkerSettings;
  /** Inputs of one run; undefined: they are derived. */
  readonly sample: readonly Tensor[] | undefined;
}

export interface ProberOptions {
  /** How long loading an artefact and running it once may take, in milliseconds. */
  readonly limitMs: number;
  /** Memory that an artefact may take, in bytes; asked anew for each. */
  readonly memoryLimitBytes: () => number;
  readonly log: Pick<Logger, "info">;
  /** Told of what has passed, which a later prober need not try again. */
  readonly onPassed?: (digest: string, report: ProbeReport) => void;
}

/** What of so much memory this process has not taken yet, in bytes; but always as much as a small model needs. */
export function memoryLeft(limitBytes: number): number {
  return Math.max(LEAST_BYTES, limitBytes - process.memoryUsage.rss());
}

export class Prober {
  readonly #options: ProberOptions;
  /** By digest, the least recently used first. */
  readonly #reports = new Map<string, ProbeReport>();
  #process: ProbeProcess | undefined;
  #idle: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #closed = false;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  /** What an earlier one has found good, the least recently used first. */
  know(passed: readonly { readonly digest: string; readonly report: ProbeReport }[]): void {
    for (const { digest, report } of passed) this.#remember(digest, report);
  }

  /** Starts a process now, so that an artefact that comes soon need not wait for it. */
  prepare(): void {
    if (this.#closed) return;
    this.#start();
    if (this.#waiting === 0) this.#endWhenIdle();
  }

  /** @throws WarmgateError `model_rejected`, `draining` */
  probe(subject: Subject): Promise<ProbeReport> {
    this.#waiting++;
    const turn = this.#last.then(() => this.#probe(subject));
    this.#last = turn
      .catch(() => undefined)
      .then(() => {
        if (--this.#waiting === 0) this.#endWhenIdle();
      });
    return turn;
  }

  /** Gives back what the process holds of a device: ends it after what is being tried, and waits until it has gone. */
  release(): Promise<void> {
    const turn = this.#last.then(() => this.#process?.end());
    this.#last = turn;
    return turn;
  }

  /** Ends the process; what is being tried is neither passed nor rejected. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#idle);
    this.#process?.kill();
  }

  async #probe({ model, version, digest, settings, sample }: Subject): Promise<ProbeReport> {
    const known = this.#reports.get(digest);
    if (known) {
      this.#remember(digest, known);
      return known;
    }
    clearTimeout(this.#idle);
    const ending = await this.#try({ settings, sample, memoryLimitBytes: this.#options.memoryLimitBytes() });
    if (ending.kind !== "passed") {
      if (this.#closed) throw stopping();
      throw new WarmgateError("model_rejected", this.#reasonOf(ending));
    }
    const { report } = ending;
    this.#remember(digest, report);
    this.#options.onPassed?.(digest, report);
    if (report.memoryBytes > LARGE_BYTES) this.#process?.kill();
    const { signature: _, ...figures } = report;
    this.#options.log.info({ model, version, digest, ...figures }, "model probed");
    return report;
  }

  async #try(request: Omit<ProbeRequest, "id">): Promise<ProbeEnding> {
    for (;;) {
      if (this.#closed) throw stopping();
      const used = this.#start();
      const isFirst = used.given === 0;
      const ending = await used.probe(request, this.#options.limitMs);
      // What an earlier artefact has done to the process is not this one's fault.
      if (isFirst || ending.kind === "passed" || ending.kind === "failed" || this.#closed) return ending;
    }
  }

  #reasonOf(ending: Exclude<ProbeEnding, { kind: "passed" }>): string {
    if (ending.kind === "failed") return publicReason(ending.reason);
    if (ending.kind === "late") {
      const what = ending.stage === "loading" ? "it was not loaded" : "it was not loaded and run once";
      return `${what} within ${this.#options.limitMs / 1000} s`;
    }
    const when = ending.stage === "loading" ? "loads" : "runs";
    return ending.how === "SIGKILL"
      ? `the process that ${when} it is killed, as a system that is short of memory does`
      : `it brings down the process that ${when} it (${ending.how})`;
  }

  #remember(digest: string, report: ProbeReport): void {
    this.#reports.delete(digest);
    this.#reports.set(digest, report);
    for (const oldest of this.#reports.keys()) {
      if (this.#reports.size <= MOST_REPORTS) return;
      this.#reports.delete(oldest);
    }
  }

  #start(): ProbeProcess {
    if (!this.#process?.alive) this.#process = new ProbeProcess();
    return this.#process;
  }

  #endWhenIdle(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#process?.kill(), IDLE_MS).unref();
  }
}

/** Says nothing of the artefact. */
function stopping(): WarmgateError {
  return new WarmgateError("draining", "this process is stopping", { retryAfterSeconds: 1 });
}
