/**
 * Asks `nvidia-smi` every few seconds how the device is.
 *
 * One short call each time, not one that goes on (`--loop`): what has no life of its own need not be watched, restarted, or
 * ended with a process that is killed, and what it prints can be read as a whole. A call costs some 20 ms of a core where
 * the driver stays loaded (persistence mode).
 *
 * Promises: one call at a time; where there is no `nvidia-smi`, nothing is said and it is not tried again; a reading is given
 * for `STALE_SAMPLES` periods and not longer; each new kind of failure is one line of the log.
 *
 * Worst case: a driver that hangs keeps the call for good, as it cannot even be killed; then there are no more readings.
 */
import { type ChildProcess, execFile } from "node:child_process";
import type { Logger } from "pino";
import { type GpuReading, parseReading, queryArguments } from "./gpu-reading.ts";

const EVERY_MS = 5_000;
const LIMIT_MS = 4_000;
const STALE_SAMPLES = 3;
const MOST_OUTPUT_BYTES = 64 * 1024;

export interface GpuSamplerOptions {
  /** See `smiIdOf`. */
  readonly id: string;
  readonly log: Pick<Logger, "info" | "warn">;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  /** Where `nvidia-smi` is looked for, and how it runs. */
  readonly environment: NodeJS.ProcessEnv;
  readonly everyMs?: number;
  /** How long a call may take, in milliseconds. */
  readonly limitMs?: number;
}

type Sample = { readonly reading: GpuReading } | { readonly failure: string } | "absent";

export class GpuSampler {
  readonly #options: GpuSamplerOptions;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  #child: ChildProcess | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #latest: { readonly reading: GpuReading; readonly at: number } | undefined;
  #failure: string | undefined;
  #over = false;

  constructor(options: GpuSamplerOptions) {
    this.#options = options;
    this.#everyMs = options.everyMs ?? EVERY_MS;
  }

  /** Samples at once and then periodically. It does not keep the process alive. */
  start(): void {
    void this.sample();
    this.#timer = setInterval(() => void this.sample(), this.#everyMs).unref();
    if (this.#over) this.stop();
  }

  stop(): void {
    this.#over = true;
    clearInterval(this.#timer);
    this.#child?.kill("SIGKILL");
  }

  /** The latest reading; undefined where there is none that is still good. */
  get reading(): GpuReading | undefined {
    if (!this.#latest || this.#options.now() - this.#latest.at > STALE_SAMPLES * this.#everyMs) return undefined;
    return this.#latest.reading;
  }

  /** A reading from now on, after the calls that were begun before; undefined where there is none to be had. */
  sample(): Promise<GpuReading | undefined> {
    const sample = this.#last.then(() => this.#sample());
    this.#last = sample;
    return sample;
  }

  async #sample(): Promise<GpuReading | undefined> {
    // One that could not be killed is still there: the driver hangs.
    if (this.#over || this.#child) return undefined;
    const sample = await this.#call();
    if (sample === "absent") {
      this.stop();
      return undefined;
    }
    if ("failure" in sample) {
      if (sample.failure !== this.#failure && !this.#over) {
        this.#options.log.warn({ reason: sample.failure }, "nvidia-smi gives no reading");
      }
      this.#failure = sample.failure;
      return undefined;
    }
    if (this.#failure !== undefined) this.#options.log.info("nvidia-smi gives readings again");
    this.#failure = undefined;
    this.#latest = { reading: sample.reading, at: this.#options.now() };
    return sample.reading;
  }

  #call(): Promise<Sample> {
    const { id, environment, limitMs = LIMIT_MS } = this.#options;
    const { promise, resolve } = Promise.withResolvers<Sample>();
    const options = { env: environment, maxBuffer: MOST_OUTPUT_BYTES, killSignal: "SIGKILL" } as const;
    const child = execFile("nvidia-smi", queryArguments(id), options, (error, stdout) => {
      clearTimeout(timer);
      this.#child = undefined;
      if (error?.code === "ENOENT" || error?.code === "EACCES") return resolve("absent");
      const reading = error ? undefined : parseReading(stdout);
      resolve(reading ? { reading } : { failure: reasonOf(stdout, error) });
    });
    this.#child = child;
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      // Whether it can be killed or not, nobody waits for it any more.
      child.unref();
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve({ failure: `it has not answered within ${limitMs} ms` });
    }, limitMs);
    return promise;
  }
}

const LONGEST_REASON = 200;

/** It prints its errors where it prints its answers. */
function reasonOf(stdout: string, error: Error | null): string {
  const text = stdout.trim() || (error?.message ?? "it has printed nothing");
  return text.slice(0, LONGEST_REASON);
}
