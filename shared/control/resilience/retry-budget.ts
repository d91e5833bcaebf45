/**
 * How many retries an isolate may send, after the retry budget of Finagle and the retry throttling of gRPC (proposal
 * A6): a retry is paid for by ten first attempts.
 *
 * Guarantee: over any run from the start, `retries <= first attempts / 10 + 2`; in any stretch of it,
 * `retries <= first attempts / 10 + 10`. So when everything fails, the pool gets a tenth more than it was asked, not a
 * multiple.
 *
 * Worst case: an isolate that has asked less than ten times has two retries, since one that is quiet must be able to
 * retry at all; so n isolates that have just begun may send 2n.
 */

const TOKENS_PER_RETRY = 10;
/** Ten retries at once, however much was asked before. */
const MOST_TOKENS = 10 * TOKENS_PER_RETRY;
const FIRST_TOKENS = 2 * TOKENS_PER_RETRY;

export interface RetryBudget {
  /** Tenths of a retry, as a whole number: sums of 0.1 are not exact. */
  readonly tokens: number;
}

export function newRetryBudget(): RetryBudget {
  return { tokens: FIRST_TOKENS };
}

/** After a first attempt, whatever becomes of it. */
export function attempted({ tokens }: RetryBudget): RetryBudget {
  return { tokens: Math.min(MOST_TOKENS, tokens + 1) };
}

/** After a retry; undefined where none may be sent. */
export function retry({ tokens }: RetryBudget): RetryBudget | undefined {
  return tokens < TOKENS_PER_RETRY ? undefined : { tokens: tokens - TOKENS_PER_RETRY };
}
