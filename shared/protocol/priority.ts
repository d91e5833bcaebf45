import { WarmgateError } from "./errors.ts";
import type { InferenceRequest, Parameters } from "./tensor.ts";

/**
 * Priority classes, most important first. A class is served before every class below it, and is the last to be
 * refused: `critical` what a person waits for, `default` what says nothing, `sheddable` what can be asked again later,
 * `batch` what has no reader yet.
 */
export const PRIORITY_CLASSES = ["critical", "default", "sheddable", "batch"] as const;
export type PriorityClass = (typeof PRIORITY_CLASSES)[number];

/**
 * The class of a request, from the parameter `priority` of Triton's schedule policy extension: 1 is the highest, 4 the
 * lowest, 0 leaves the choice to the server. A level that does not exist counts as 0, as it does in Triton.
 *
 * @throws WarmgateError `invalid_request` for a value that is not a whole number from 0
 */
export function priorityClass({ priority }: Parameters): PriorityClass {
  if (priority === undefined) return "default";
  if (typeof priority !== "number" || !Number.isSafeInteger(priority) || priority < 0) {
    throw new WarmgateError(
      "invalid_request",
      "the parameter priority must be a whole number from 0 (1 is the highest)",
    );
  }
  return PRIORITY_CLASSES[priority - 1] ?? "default";
}

/** The lower one of two classes; null is no limit. */
export function lowerClass(one: PriorityClass | null, other: PriorityClass | null): PriorityClass | null {
  if (one === null || other === null) return one ?? other;
  return PRIORITY_CLASSES.indexOf(one) > PRIORITY_CLASSES.indexOf(other) ? one : other;
}

/** One copy for a request that comes again as the same object: what is remembered of that object is found for it too. */
const capped = new WeakMap<InferenceRequest, InferenceRequest>();

/**
 * A request in no higher class than that: itself where it is in none, else a copy whose parameter `priority` says so.
 *
 * @throws WarmgateError as `priorityClass`
 */
export function capPriority(request: InferenceRequest, highest: PriorityClass): InferenceRequest {
  const level = PRIORITY_CLASSES.indexOf(highest);
  if (PRIORITY_CLASSES.indexOf(priorityClass(request.parameters)) >= level) return request;
  const priority = level + 1;
  const before = capped.get(request);
  if (before?.parameters.priority === priority) return before;
  const copy = { ...request, parameters: { ...request.parameters, priority } };
  capped.set(request, copy);
  return copy;
}
