/** When requests are due: a sequence of moments that depends on its seed alone. */
import { z } from "zod";

export const arrivalProcess = z.discriminatedUnion("kind", [
  /** Independent callers: exponential gaps. */
  z.object({ kind: z.literal("poisson"), perSecond: z.number().positive() }),
  /** Poisson at `perSecond` for `onMs`, nothing for `offMs`, and again. */
  z.object({
    kind: z.literal("bursts"),
    perSecond: z.number().positive(),
    onMs: z.number().positive(),
    offMs: z.number().min(0),
  }),
]);
export type ArrivalProcess = z.infer<typeof arrivalProcess>;

export class ArrivalTimes {
  readonly #process: ArrivalProcess;
  readonly #random: () => number;
  readonly #startAt: number;
  /** Time that counts: without the silences between bursts. */
  #active = 0;
  next: number;

  /** @param startAt before the first arrival, in milliseconds */
  constructor(process: ArrivalProcess, startAt: number, seed: number) {
    this.#process = process;
    this.#random = seededRandom(seed);
    this.#startAt = startAt;
    this.next = startAt;
    this.advance();
  }

  /** Moves on to the arrival after `next`. */
  advance(): void {
    const { perSecond } = this.#process;
    this.#active += (-Math.log(1 - this.#random()) * 1000) / perSecond;
    let silence = 0;
    if (this.#process.kind === "bursts") {
      silence = Math.floor(this.#active / this.#process.onMs) * this.#process.offMs;
    }
    this.next = this.#startAt + this.#active + silence;
  }
}

/** Mulberry32: uniform in [0, 1), the same for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
