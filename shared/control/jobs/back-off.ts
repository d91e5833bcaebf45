/** When a job that could not be done is tried again: twice as long after each try, never at the same moment as its neighbours. */

const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;

/**
 * @param tries that were made before, from 0
 * @param retryAfterMs what was asked for by who refused; it is never come back sooner
 * @param random from 0 up to 1
 * @returns whole milliseconds: from half of the step up to the step, which doubles from 1 s to 60 s, or longer where that was asked for
 */
export function backOffMs(tries: number, retryAfterMs: number, random: number): number {
  // Beyond the longest step doubling again would only end in Infinity.
  const step = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(tries, 16));
  const jitter = step * (0.5 + random / 2);
  const asked = Math.min(retryAfterMs, LONGEST_MS);
  return Math.ceil(Math.max(jitter, asked + (step * random) / 2));
}
