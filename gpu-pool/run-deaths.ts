/**
 * Models whose runs keep bringing down the serving process, though they load well: a run that does not end, a kernel that takes
 * the device's context with it. ONNX Runtime's CUDA kernels do not check every value that they are given, so a single
 * caller can do that; the other models must not go down with it for good. Such a model is left out for a time.
 *
 *     const runDeaths = new RunDeaths();
 *     const leftOut = runDeaths.died(artefact, performance.now());   // undefined: it is loaded again at once
 *     runDeaths.entries(performance.now());                          // for the next process, with the time that is left
 *
 * Promises: `STRIKES` deaths within `WINDOW_MS` and it is left out, for a minute the first time and twice as long each time
 * after that, an hour at most; a file that changes is another artefact, and what is loaded by name is not left out any more.
 *
 * Worst case: a model that was served alone is not served for that time. Beyond `MOST` artefacts the oldest are forgotten.
 */
import type { LeftOut, LoadingArtefact } from "./process-messages.ts";

const STRIKES = 3;
const WINDOW_MS = 10 * 60_000;
const FIRST_OUT_MS = 60_000;
const LONGEST_OUT_MS = 60 * 60_000;
/** After so long without being left out it is as good as any other. */
const FORGIVEN_MS = 2 * LONGEST_OUT_MS;
const MOST = 64;

interface Account {
  readonly artefact: LoadingArtefact;
  readonly deaths: readonly number[];
  /** How often it was left out. */
  readonly outs: number;
  readonly outUntil: number;
}

export class RunDeaths {
  /** By model, version and digest, the one that died last at the end. */
  readonly #accounts = new Map<string, Account>();

  /**
   * A run of it has brought down the process.
   *
   * @param now monotonic, in milliseconds
   * @returns that it is left out now, where it is
   */
  died({ model, version, digest }: LoadingArtefact, now: number): LeftOut | undefined {
    const artefact = { model, version, digest };
    const key = JSON.stringify([model, version, digest]);
    const before = this.#accounts.get(key);
    const recent = (before?.deaths ?? []).filter((at) => now - at < WINDOW_MS);
    const outs = before !== undefined && now - before.outUntil < FORGIVEN_MS ? before.outs : 0;
    const isOut = recent.length + 1 >= STRIKES;
    const outMs = Math.min(LONGEST_OUT_MS, FIRST_OUT_MS * 2 ** outs);
    this.#accounts.delete(key);
    this.#accounts.set(
      key,
      isOut
        ? { artefact, deaths: [], outs: outs + 1, outUntil: now + outMs }
        : { artefact, deaths: [...recent, now], outs, outUntil: before?.outUntil ?? now },
    );
    for (const oldest of this.#accounts.keys()) {
      if (this.#accounts.size <= MOST) break;
      this.#accounts.delete(oldest);
    }
    return isOut ? leftOut(artefact, outMs) : undefined;
  }

  /** It is loaded, so it is not left out any more. */
  began({ model, version, digest }: LoadingArtefact, now: number): void {
    const key = JSON.stringify([model, version, digest]);
    const account = this.#accounts.get(key);
    if (account && account.outUntil > now) this.#accounts.set(key, { ...account, outUntil: now });
  }

  /** What is left out at this time, with how much longer. */
  entries(now: number): readonly LeftOut[] {
    return [...this.#accounts.values()]
      .filter(({ outUntil }) => outUntil > now)
      .map(({ artefact, outUntil }) => leftOut(artefact, outUntil - now));
  }
}

function leftOut(artefact: LoadingArtefact, forMs: number): LeftOut {
  const seconds = Math.ceil(forMs / 1000);
  const reason =
    `its runs brought down the serving process ${STRIKES} times; it is left out for ${seconds} s, ` +
    "or until its files change or it is loaded by name";
  return { ...artefact, reason, forMs };
}
