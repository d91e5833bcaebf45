/** Of what is left, for the way back and for what this hop does with the answer. */
const MARGIN_SHARE = 0.05;
const SMALLEST_MARGIN_MS = 2;
const LARGEST_MARGIN_MS = 50;

/**
 * What the next hop may take of a request's time: deadline propagation as in the Google SRE book, "Addressing cascading
 * failures". Each hop gives on what is left less a margin, so that the last one gives up first and the caller hears of
 * it in time.
 *
 * @param remainingMs until the request's deadline; may have passed
 * @returns whole milliseconds, from 1 and never more than what is left; undefined when not one is left
 */
export function hopBudgetMs(remainingMs: number): number | undefined {
  if (remainingMs < 1) return undefined;
  const marginMs = Math.max(SMALLEST_MARGIN_MS, Math.min(LARGEST_MARGIN_MS, remainingMs * MARGIN_SHARE));
  return Math.max(1, Math.floor(remainingMs - marginMs));
}
