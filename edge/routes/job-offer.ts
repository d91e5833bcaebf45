/**
 * The last step of a fallback chain: the request is kept and run later (`objects/job-store.ts`).
 *
 * Promises: only for who was within its limits, and for what another run may cure; stored before anybody is told of it; not for a
 * caller that wants nothing stored (`Cache-Control: no-store`). Where it cannot be kept there is no job, and the refusal stands.
 */
import { isWorthAJob, tryFailure } from "../../shared/control/jobs/job-life.ts";
import type { WarmgateError } from "../../shared/protocol/errors.ts";
import type { RouteContract } from "../../shared/protocol/model-route.ts";
import { PRIORITY_CLASSES } from "../../shared/protocol/priority.ts";
import { encodeInferenceRequest } from "../../shared/protocol/request.ts";
import type { InferenceRequest } from "../../shared/protocol/tensor.ts";
import { smallestLimit } from "../gate/caller-caps.ts";
import { readRouteAsk } from "../gate/route.ts";
import type { JobView } from "../objects/job-store.ts";
import { type JobOrder, LARGEST_INPUT } from "../objects/jobs/job-order.ts";
import { logCause } from "../telemetry/request-log.ts";
import type { Asked } from "./asked.ts";
import { recordOf } from "./route.ts";

/** What a run may take, where the tenant's plan allows as much. */
const RUN_BUDGET_MS = 30_000;

/** @returns undefined where there is no job: then what failed is the answer */
export async function offerJob(asked: Asked, error: WarmgateError): Promise<JobView | undefined> {
  const { context, principal, routed, wish } = asked;
  const { contract, decoded } = routed;
  if (!contract || decoded.kind !== "tensors" || wish.noStore || !isWorthAJob(error.code)) return undefined;
  const { body, headerLength } = encodeInferenceRequest(asBatchWork(decoded.request));
  if (body.byteLength > LARGEST_INPUT) return undefined;
  const offer = {
    order: orderOf(asked, contract),
    input: { body, headerLength: headerLength ?? null },
    failure: tryFailure(error, false),
  };
  try {
    return (await context.env.JOB_STORE.getByName(principal.tenant).add(offer)) ?? undefined;
  } catch (cause) {
    logCause(cause, recordOf(context).requestId);
    return undefined;
  }
}

/** In the lowest class, and without the time that was allowed for an answer at once. */
function asBatchWork(request: InferenceRequest): InferenceRequest {
  const { timeout: _, ...parameters } = request.parameters;
  return { ...request, parameters: { ...parameters, priority: PRIORITY_CLASSES.indexOf("batch") + 1 } };
}

function orderOf({ context, principal, name, maxRows }: Asked, contract: RouteContract): JobOrder {
  const { tenant, plan, kid } = principal;
  const { requestId, trace } = recordOf(context);
  const { headers } = context.req.raw;
  return {
    ...{ tenant, plan, kid, model: name, contract: contract.contract, maxRows, requestId },
    hardware: readRouteAsk(headers, undefined).hardware ?? null,
    headers: stickyHeaders(contract, headers),
    budgetMs: Math.min(RUN_BUDGET_MS, smallestLimit(principal, "maxTimeoutMs") ?? RUN_BUDGET_MS),
    traceparent: trace.traceparent,
  };
}

function stickyHeaders({ split, experiment }: RouteContract, headers: Headers): Record<string, string> {
  const names = [split.sticky, experiment?.sticky ?? ""].flatMap((by) =>
    by.startsWith("header:") ? by.slice("header:".length) : [],
  );
  return Object.fromEntries(names.map((name) => [name, headers.get(name)] as const).filter(isPresent));
}

function isPresent(entry: readonly [string, string | null]): entry is readonly [string, string] {
  return entry[1] !== null;
}
