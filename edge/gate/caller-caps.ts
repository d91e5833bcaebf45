/** What a caller may ask of one request: the lower of its tenant's limit and its key's. A wish beyond it is cut, not refused. */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { capPriority, lowerClass } from "../../shared/protocol/priority.ts";
import { timeBudget } from "../../shared/protocol/time-budget.ts";
import type { Principal } from "./identify.ts";
import type { Decoded } from "./recent-bodies.ts";
import type { Routed } from "./route.ts";

type Limited = Pick<Principal, "limits" | "keyLimits">;

/** Null without a limit. */
export function smallestLimit(
  { limits, keyLimits }: Limited,
  name: "maxBodyBytes" | "maxBatch" | "maxTimeoutMs",
): number | null {
  const [tenants, own] = [limits[name], keyLimits?.[name] ?? null];
  return own === null || tenants === null ? (own ?? tenants) : Math.min(own, tenants);
}

/** Milliseconds that a request gets. @throws WarmgateError as `timeBudget` */
export function cappedBudgetMs(principal: Limited, ...asked: Parameters<typeof timeBudget>): number {
  return Math.min(timeBudget(...asked), smallestLimit(principal, "maxTimeoutMs") ?? Number.POSITIVE_INFINITY);
}

/**
 * A request in no higher class than its caller may have. One whose bytes the edge cannot read goes on as it is: no node is known to have
 * its model.
 *
 * @throws WarmgateError `invalid_request` for a priority that is none
 */
export function inCallersClass(decoded: Decoded, { limits, keyLimits }: Limited): Decoded {
  const highest = lowerClass(limits.highestPriority, keyLimits?.highestPriority ?? null);
  if (highest === null || decoded.kind !== "tensors") return decoded;
  const request = capPriority(decoded.request, highest);
  return request === decoded.request ? decoded : { ...decoded, request };
}

/**
 * Refuses what the node would refuse, before anybody is asked.
 *
 * @param maxRows that the caller may send at once; 0: as many as the model takes
 * @throws WarmgateError `batch_too_large`
 */
export function checkRows({ capability, decoded }: Pick<Routed, "capability" | "decoded">, maxRows: number): void {
  if (maxRows === 0 || decoded.kind !== "tensors" || !capability || capability.model.maxBatch === 0) return;
  const rows = decoded.request.inputs[0]?.shape[0] ?? 0;
  if (rows <= maxRows) return;
  throw new WarmgateError("batch_too_large", `the batch has ${rows} rows, this tenant may send ${maxRows} at once`);
}
