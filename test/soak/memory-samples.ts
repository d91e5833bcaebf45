/** What a process takes of memory while something is done to it. */
import { residentBytes } from "../faults/pieces/process-memory.ts";

export const SAMPLES_PER_SECOND = 4;
/** Two seconds' worth, the lowest of which counts. */
const LOWEST_OF = 8;
/** An hour's worth. */
const MOST = 3_600 * SAMPLES_PER_SECOND;

export class MemorySamples {
  readonly #bytes: number[] = [];
  readonly #timer: NodeJS.Timeout;

  /** Samples from now on. */
  constructor(pid: number) {
    this.#timer = setInterval(() => {
      const bytes = residentBytes(pid);
      if (bytes !== undefined && this.#bytes.length < MOST) this.#bytes.push(bytes);
    }, 1_000 / SAMPLES_PER_SECOND);
  }

  /** In bytes, a `SAMPLES_PER_SECOND`th of a second apart. */
  get all(): readonly number[] {
    return this.#bytes;
  }

  /** From the first two seconds to the last two, in bytes. */
  get grownBy(): number {
    return Math.min(...this.#bytes.slice(-LOWEST_OF)) - Math.min(...this.#bytes.slice(0, LOWEST_OF));
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
