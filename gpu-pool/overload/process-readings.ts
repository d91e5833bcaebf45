/**
 * Reads off the process how near it is to its limits, four times a second.
 *
 * A sample costs some tens of microseconds. Off Linux there are no figures for descriptors, and off a container with a
 * limit memory is measured against the machine's.
 */
import { readFileSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { totalmem } from "node:os";
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import type { OverloadReadings } from "./overload-stage.ts";

export const SAMPLE_MS = 250;
/** How often the event loop's delay is taken, in milliseconds; a delay below it is not seen. */
const RESOLUTION_MS = 10;
const DELAY_SAMPLES = 4;
const DESCRIPTORS = "/proc/self/fd";

export interface ProcessReadingsOptions {
  /** Called with each sample. */
  readonly onSample: (readings: OverloadReadings) => void;
  /** Memory that the process may have, in bytes; see `memoryLimit`. */
  readonly memoryLimitBytes: number;
  /** See `descriptorLimit`. */
  readonly descriptorLimit: number | undefined;
}

export class ProcessReadings {
  readonly #options: ProcessReadingsOptions;
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  #delays: readonly number[] = [];
  /** As last counted: the count may come after the sample that asked for it. */
  #descriptorShare = 0;
  #counting = false;

  /** Starts at once. It does not keep the process alive. */
  constructor(options: ProcessReadingsOptions) {
    this.#options = options;
    this.#histogram.enable();
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  #sample(): void {
    const { memoryLimitBytes, onSample } = this.#options;
    const longest = Math.max(0, this.#histogram.max / 1e6 - RESOLUTION_MS);
    this.#histogram.reset();
    this.#delays = [longest, ...this.#delays].slice(0, DELAY_SAMPLES);
    void this.#countDescriptors();
    onSample({
      eventLoopMs: standingDelay(this.#delays),
      memoryShare: process.memoryUsage.rss() / memoryLimitBytes,
      descriptorShare: this.#descriptorShare,
    });
  }

  async #countDescriptors(): Promise<void> {
    const { descriptorLimit } = this.#options;
    if (descriptorLimit === undefined || this.#counting) return;
    this.#counting = true;
    this.#descriptorShare = Math.min(1, (await openDescriptors()) / descriptorLimit);
    this.#counting = false;
  }
}

/**
 * The second longest of the last samples' longest delays. One long delay is a burst that is over when it is seen (a
 * large body that was parsed, a garbage collection) and nothing that refusing others would cure; the second within a
 * second is a loop that does not keep up. CoDel tells good queues from bad ones in this way.
 */
export function standingDelay(longestOfEach: readonly number[]): number {
  return longestOfEach.toSorted((a, b) => b - a)[1] ?? 0;
}

/** The memory that this process may have, in bytes: what its container (cgroup v1 or v2) or its machine has. */
export function memoryLimit(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

/** How many descriptors this process may have open; undefined where nothing limits or says it. */
export function descriptorLimit(): number | undefined {
  try {
    return readDescriptorLimit(readFileSync("/proc/self/limits", "utf8"));
  } catch {
    return undefined;
  }
}

/** The soft limit in the text of /proc/self/limits (proc(5)); undefined for `unlimited`. */
export function readDescriptorLimit(limits: string): number | undefined {
  const soft = /^Max open files +(\d+) /m.exec(limits)?.[1];
  return soft === undefined ? undefined : Number(soft);
}

/** Descriptors kept back for the operations port and for what loading a model opens. */
const SPARE_DESCRIPTORS = 32;
const USABLE_SHARE = 0.95;

/**
 * How many connections leave descriptors for everything else, at least one. A process that runs out of them cannot even
 * tell callers so: the system accepts their connections and closes them.
 */
export async function mostConnections(limit: number): Promise<number> {
  return Math.max(1, Math.floor(limit * USABLE_SHARE) - SPARE_DESCRIPTORS - (await openDescriptors()));
}

/** Open descriptors of this process; infinite when there is not even one left to count them with. */
async function openDescriptors(): Promise<number> {
  try {
    // Since Linux 6.2 the directory's size is their number; it needs no descriptor and no list of them.
    const { size } = await stat(DESCRIPTORS);
    return size > 0 ? size : (await readdir(DESCRIPTORS)).length;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    return code === "EMFILE" || code === "ENFILE" ? Number.POSITIVE_INFINITY : 0;
  }
}
