/** When a node speaks next. Milliseconds all; `random` is uniform from 0 to below 1. */

const LONGEST_BACKOFF_MS = 5_000;
/** Chance must not make a loop of words that fail at once. */
const SHORTEST_BACKOFF_MS = 50;
/** Nodes that have started together must not go on speaking together. */
const SPREAD = 0.1;

/** After a word that was answered: as often as the edge has asked for, give or take a tenth. */
export function intervalMs(everyMs: number, random: () => number): number {
  return everyMs * (1 - SPREAD + 2 * SPREAD * random());
}

/**
 * After so many words in a row that failed: the interval, doubled with each and at most 5 s unless the interval itself is
 * longer, of which a random part is waited ("full jitter": M. Brooker, Exponential Backoff And Jitter, AWS 2015).
 *
 * @param failures 1 or more
 */
export function backoffMs(everyMs: number, failures: number, random: () => number): number {
  const longestMs = Math.min(everyMs * 2 ** (failures - 1), Math.max(everyMs, LONGEST_BACKOFF_MS));
  return Math.max(SHORTEST_BACKOFF_MS, random() * longestMs);
}
