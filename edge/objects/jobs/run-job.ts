/**
 * One try of a job: the way of any request, routed anew each time, in the lowest class. Whatever comes of it is told, nothing is thrown.
 *
 * What it holds of bodies counts with those of all requests of the isolate (`gate/held-bytes.ts`); where that is too much it is a failure
 * that is cured by waiting.
 */
import { type TryFailure, tryFailure } from "../../../shared/control/jobs/job-life.ts";
import { asWarmgateError, WarmgateError } from "../../../shared/protocol/errors.ts";
import { decodeInferenceRequest } from "../../../shared/protocol/request.ts";
import { encodeInferenceResponse } from "../../../shared/protocol/response.ts";
import { type Bindings, readSettings } from "../../environment.ts";
import { ControlDirectory } from "../../gate/control-directory.ts";
import { dispatch, nobody, type Trail } from "../../gate/dispatch.ts";
import type { PoolAnswer } from "../../gate/forward.ts";
import { answerBytes, requestBytes } from "../../gate/held-bytes.ts";
import { poolView } from "../../gate/pool-view.ts";
import { readAnswer } from "../../gate/read-answer.ts";
import { route } from "../../gate/route.ts";
import { findRoute } from "../../gate/route-directory.ts";
import { inferTarget, toPool } from "../../gate/to-pool.ts";
import type { JobOrder, Message } from "./job-order.ts";

const LARGEST_RESULT = 8 * 1024 * 1024;

export type Tried =
  | { readonly kind: "answered"; readonly result: Message; readonly usage: PoolAnswer["usage"] }
  | { readonly kind: "failed"; readonly failure: TryFailure; readonly cause: unknown };

/** @param keepAlive lets work go on behind the try */
export async function runJob(
  order: JobOrder,
  input: Message,
  bindings: Bindings,
  keepAlive: (pending: Promise<unknown>) => void,
): Promise<Tried> {
  const trail: Trail = { attempts: [] };
  const [sent, answered] = [requestBytes.hold(), answerBytes.hold()];
  try {
    sent.grow(input.body.byteLength);
    const { tenant, plan, kid, model, contract, maxRows, requestId, traceparent } = order;
    await refuseSuspended(tenant, new ControlDirectory(bindings, keepAlive));
    const settings = await readSettings(bindings);
    const length = input.headerLength === null ? null : String(input.headerLength);
    const request = decodeInferenceRequest(input.body, length);
    const view = await poolView(settings, bindings, keepAlive, Date.now());
    if (!view) throw nobody();
    const known = await findRoute(model, bindings, keepAlive, Date.now());
    const ask = { pin: undefined, contract, hardware: order.hardware ?? undefined };
    const decoded = { kind: "tensors", request } as const;
    const routed = await route(model, ask, known, view, decoded, { tenant, plan, kid }, new Headers(order.headers));
    const sending = {
      ...({ method: "POST", target: inferTarget(routed), ...toPool(routed), tenant, maxRows, requestId } as const),
      ...({ traceparent, hold: answered, deadline: Date.now() + order.budgetMs, priority: "batch" } as const),
    };
    const answer = await dispatch(view, routed, sending, settings, trail);
    const response = readAnswer(answer, routed);
    const id = request.id === undefined ? {} : { id: request.id };
    const encoded = encodeInferenceResponse({ ...response, ...id, modelName: model }, request);
    if (encoded.body.byteLength > LARGEST_RESULT) {
      throw new WarmgateError("job_result_too_large", `the answer has more than ${LARGEST_RESULT} bytes`);
    }
    const result = { body: encoded.body, headerLength: encoded.headerLength ?? null };
    return { kind: "answered", result, usage: answer.usage };
  } catch (thrown) {
    const error = asWarmgateError(thrown);
    const reachedLiveNode = trail.attempts.length > 0 && trail.choice?.node.live !== false;
    return { kind: "failed", failure: tryFailure(error, reachedLiveNode), cause: error.cause };
  } finally {
    sent.release();
    answered.release();
  }
}

/** @throws WarmgateError `tenant_suspended` */
async function refuseSuspended(tenant: string, directory: ControlDirectory): Promise<void> {
  const found = await directory.findTenant(tenant);
  if (!found || found.suspended) throw new WarmgateError("tenant_suspended", "this tenant is suspended");
}
