/**
 * Whether a request is worth sending, by what its node said last: work that cannot be ready in time, or that the node
 * has no room for, is refused before it crosses the world (Zhou et al., "Overload control for scaling WeChat
 * microservices", SoCC 2018).
 *
 * - By its wait: what was waiting when the node spoke, less the time since then, and the request's own run must fit
 *   into what is left of its time. The node tells what a request of the default class waits; a critical one goes before
 *   those, so only its own run counts.
 * - By its level: importances from the admission level on are refused, critical ones never; of the importance that the level
 *   falls in, a part. As the node's word grows older the level rises, to where it refuses nobody.
 * - A word of 3 s says nothing any more, and one request in fifty is sent whatever it says: so a node that nobody asks
 *   any more is found to be well again.
 *
 * Worst case: an overloaded node gets a fiftieth of what it should not, and all of it from an isolate that has not heard
 * from it for 3 s. The node itself refuses what it cannot finish; what is sent in vain costs the way there.
 */
import { PRIORITY_CLASSES, type PriorityClass } from "../../protocol/priority.ts";
import { IMPORTANCES, importanceOf } from "../importance.ts";

const TRUSTED_MS = 3_000;
const SENT_ANYWAY = 1 / 50;

/** What a node said of itself. */
export interface NodeWord {
  /** What a request of the default class waits there. */
  readonly waitMs: number;
  /** 1 to 512: importances from here on are not wanted, of the one that it falls in its fraction is. */
  readonly admissionLevel: number;
  readonly ageMs: number;
}

export interface Sheddable {
  readonly priorityClass: PriorityClass;
  readonly tenant: string;
  /** Until its deadline. */
  readonly remainingMs: number;
  /** That its own run is expected to take. */
  readonly runMs: number;
}

export type ShedDecision =
  | { readonly kind: "send" }
  | {
      readonly kind: "refuse";
      readonly reason: "wait";
      /** By how much it would be late. */
      readonly shortageMs: number;
      readonly retryAfterMs: number;
    }
  | { readonly kind: "refuse"; readonly reason: "level"; readonly retryAfterMs: number };

const SEND: ShedDecision = { kind: "send" };

/**
 * `retryAfterMs` is how long until so much of what waits is worked off, and the level has risen so far, that the same
 * request would be sent.
 *
 * @param epochMs wall-clock time, for whose turn it is to be refused first
 * @param random from 0 to below 1
 */
export function shedDecision(word: NodeWord, request: Sheddable, epochMs: number, random: number): ShedDecision {
  const ageMs = Math.max(0, word.ageMs);
  if (ageMs >= TRUSTED_MS || random < SENT_ANYWAY) return SEND;
  const { remainingMs, runMs } = request;
  const isCritical = request.priorityClass === "critical";
  const waitMs = isCritical ? 0 : Math.max(0, word.waitMs - ageMs);
  const shortageMs = waitMs + runMs - remainingMs;
  const untilLevelMs = isCritical ? 0 : untilWanted(request, word.admissionLevel, ageMs, epochMs, random);
  if (shortageMs > 0) {
    // A run that is too long by itself does not become shorter while what is before it goes.
    const untilFitsMs = runMs > remainingMs ? Math.max(shortageMs, TRUSTED_MS - ageMs) : shortageMs;
    return { kind: "refuse", reason: "wait", shortageMs, retryAfterMs: Math.max(untilFitsMs, untilLevelMs) };
  }
  return untilLevelMs > 0 ? { kind: "refuse", reason: "level", retryAfterMs: untilLevelMs } : SEND;
}

/** Milliseconds until a level that rises from what was said to the highest, as its age does to 3 s, is above a request. */
function untilWanted(
  { priorityClass, tenant }: Sheddable,
  level: number,
  ageMs: number,
  epochMs: number,
  random: number,
): number {
  // Spread over the whole of its importance, so that a level within it refuses a part of the requests.
  const importance = importanceOf(PRIORITY_CLASSES.indexOf(priorityClass), tenant, epochMs) + random;
  if (importance < level) return 0;
  // At that age itself the level is just as high, and not yet above.
  const wantedAtAge = Math.floor((TRUSTED_MS * (importance - level)) / (IMPORTANCES - level)) + 1;
  return Math.max(0, wantedAtAge - ageMs);
}
