/**
 * How likely a request is refused here because its node refuses most of them: client-side adaptive throttling (Google
 * SRE book, "Handling overload"), for each node and model. By what the last three seconds brought,
 *
 *     max(0, (requests - K * accepts) / (requests + 1))
 *
 * - `requests` are all that were asked for, those refused here included; so of what is sent to an overloaded node about
 *   1/K is accepted, however much is asked.
 * - K is smaller for the lower classes, which are so throttled first; and a class is judged by itself and those above
 *   it, so that what is refused of the lower ones is no reason to refuse the higher.
 * - Calls are counted before they are sent, but up to 500 that are not answered yet are not held against the node: else
 *   the first burst of a new isolate would be refused before the node has said a word.
 * - Four of five are refused at most (Envoy's admission control). The formula alone would let through next to nothing when
 *   nothing was accepted, and so not see that the node is well again.
 * - The book looks back for two minutes. A node here says with each reply how long its queue is, which tells most of what this would;
 *   so it may be quick to forget, and after an overload callers are not refused for minutes for what is over.
 *
 * Worst case: a node that refuses everything is still sent a fifth. After it is well again some are refused in vain for
 * 5 seconds, of the two lower classes for 8.
 */
import { PRIORITY_CLASSES, type PriorityClass } from "../../protocol/priority.ts";
import { counted, countOf, type SlidingCounts } from "./sliding-counts.ts";

const WINDOW = { sliceMs: 500, slices: 6 };
const K: Readonly<Record<PriorityClass, number>> = { critical: 2, default: 2, sheddable: 1.5, batch: 1.5 };
const MOST_UNANSWERED = 500;
const MOST_REJECTED = 0.8;
/** Fewer answers tell nothing: one refusal of one request is not most of them. */
const FEWEST_ANSWERS = 10;

export type ThrottleState = Readonly<Record<PriorityClass, SlidingCounts<"requested" | "accepted" | "refused">>>;

export const UNTHROTTLED: ThrottleState = { critical: [], default: [], sheddable: [], batch: [] };

/** Before a request is sent or refused here. @param now milliseconds */
export function requested(state: ThrottleState, of: PriorityClass, now: number): ThrottleState {
  return { ...state, [of]: counted(state[of], "requested", WINDOW, now) };
}

/** After a call that the node took on, whatever came of it. */
export function accepted(state: ThrottleState, of: PriorityClass, now: number): ThrottleState {
  return { ...state, [of]: counted(state[of], "accepted", WINDOW, now) };
}

/** After a call that the node refused because of its load or did not answer, and after a refusal here. */
export function refused(state: ThrottleState, of: PriorityClass, now: number): ThrottleState {
  return { ...state, [of]: counted(state[of], "refused", WINDOW, now) };
}

/** From 0 to 0.8: with which probability to refuse a request of a class here. */
export function rejectProbability(state: ThrottleState, of: PriorityClass, now: number): number {
  const sums = { requested: 0, accepted: 0, refused: 0 };
  for (const each of PRIORITY_CLASSES.slice(0, PRIORITY_CLASSES.indexOf(of) + 1)) {
    sums.requested += countOf(state[each], "requested", WINDOW, now);
    sums.accepted += countOf(state[each], "accepted", WINDOW, now);
    sums.refused += countOf(state[each], "refused", WINDOW, now);
  }
  const answers = sums.accepted + sums.refused;
  const requests = Math.max(answers, sums.requested - MOST_UNANSWERED);
  if (answers < FEWEST_ANSWERS && requests === answers) return 0;
  const probability = (requests - K[of] * sums.accepted) / (requests + 1);
  return Math.max(0, Math.min(MOST_REJECTED, probability));
}
