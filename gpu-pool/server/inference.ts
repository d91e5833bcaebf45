import { hash } from "node:crypto";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import {
  CONTENT_DIGEST,
  INFERENCE_HEADER_LENGTH,
  POOL_ARTEFACT,
  POOL_LOAD,
  POOL_USAGE,
} from "../../shared/protocol/headers.ts";
import { priorityClass } from "../../shared/protocol/priority.ts";
import { decodeInferenceRequest, decodeRawRequest } from "../../shared/protocol/request.ts";
import { encodeInferenceResponse } from "../../shared/protocol/response.ts";
import type { InferenceRequest } from "../../shared/protocol/tensor.ts";
import { timeBudget } from "../../shared/protocol/time-budget.ts";
import type { Served } from "../ensemble/served-ensemble.ts";
import type { OverloadMonitor } from "../overload/overload-monitor.ts";
import type { PredictionScheduler } from "../runtime/served-model.ts";
import type { Clock } from "../scheduler/executor.ts";
import { outcomeOf } from "../telemetry/metrics.ts";
import { compressReply } from "./compression.ts";
import { type Exchange, singleHeader, statedTimeout } from "./exchange.ts";
import { formatLoad } from "./load.ts";
import type { Reply } from "./reply.ts";

/** Parameters that promise a behaviour which is not there; taking them silently would be a lie. */
const UNSERVED_PARAMETERS = ["sequence_id", "sequence_start", "sequence_end"];

/**
 * Answers one inference request: decode, check, queue, encode.
 *
 * @param body the request's body, uncompressed
 * @throws WarmgateError every refusal of the protocol, the model and the queue
 */
export async function infer(
  model: Served,
  exchange: Exchange,
  body: Uint8Array,
  clock: Clock,
  scheduler: PredictionScheduler,
  overload: OverloadMonitor,
): Promise<Reply> {
  const { caller, arrivedAt } = exchange;
  const startedAt = clock.now();
  try {
    const stated = statedTimeout(exchange);
    // Reading a request that is too late already would make the next one late.
    if (stated !== undefined && arrivedAt + timeBudget(stated, {}) <= startedAt) throw tooLate();
    const asked = decode(model, exchange, body);
    const priority = priorityClass(asked.parameters);
    if (!overload.admits(priority)) throw overload.refuse(priority);
    const decodedAt = clock.now();
    const budget = timeBudget(stated, asked.parameters);
    const { tenant, maxRows } = exchange;
    const demand = { tenant, priority, deadline: arrivedAt + budget, maxRows };
    const ticket = await model.accept(asked, demand, { clock, caller });
    const preparedAt = clock.now();
    // A caller that goes away takes its rows out of the queue.
    caller.onceGone(ticket.cancel);
    const { result, queuedMs, batchRows, deviceMs } = await ticket.result;
    caller.offGone(ticket.cancel);
    const answeredAt = clock.now();
    const { name, version } = model.identity;
    const encoded = encodeInferenceResponse(
      {
        modelName: name,
        modelVersion: version,
        outputs: result.outputs,
        ...(asked.id === undefined ? {} : { id: asked.id }),
      },
      asked,
    );
    const finishedAt = clock.now();
    const totalMs = finishedAt - startedAt;
    model.statistics.answered(totalMs, queuedMs, result.computeMs, Date.now());
    model.metrics.answered("ok", totalMs);
    model.metrics.waited(queuedMs);
    const binary = encoded.headerLength !== undefined;
    const reply: Reply = {
      status: 200,
      body: encoded.body,
      headerLength: encoded.headerLength,
      ...(binary ? { contentType: "application/octet-stream" } : {}),
      serverTiming:
        `decode;dur=${round(decodedAt - startedAt)}, ` +
        `${model.kind === "model" && model.policy.pipeline ? `prepare;dur=${round(preparedAt - decodedAt)}, ` : ""}queue;dur=${round(queuedMs)}, ` +
        `compute;dur=${round(result.computeMs)}, device;dur=${round(deviceMs)}, ` +
        `encode;dur=${round(finishedAt - answeredAt)}, batch;desc=${batchRows}`,
      headers: {
        [POOL_LOAD]: formatLoad(scheduler.load, scheduler.waitMsOf(tenant)),
        [POOL_USAGE]: formatUsage(ticket.rows, deviceMs),
        [POOL_ARTEFACT]: model.identity.digest,
      },
    };
    // Other replies stay plain: clients undo compression of inference results only.
    const accepted = singleHeader(exchange, "accept-encoding");
    return withDigest(accepted && !overload.lean ? await compressReply(reply, accepted) : reply);
  } catch (error) {
    const totalMs = clock.now() - startedAt;
    model.statistics.refused(totalMs);
    const status = error instanceof WarmgateError ? error.status : 500;
    model.metrics.answered(caller.gone ? "cancelled" : outcomeOf(status), totalMs);
    throw error;
  }
}

function decode(model: Served, exchange: Exchange, body: Uint8Array): InferenceRequest {
  const headerLength = singleHeader(exchange, INFERENCE_HEADER_LENGTH) ?? null;
  const asked =
    headerLength === "0" ? decodeRawRequest(body, model.signature.inputs) : decodeInferenceRequest(body, headerLength);
  for (const name of UNSERVED_PARAMETERS) {
    if (asked.parameters[name] !== undefined) {
      throw new WarmgateError(
        "not_implemented",
        `the parameter ${name} is not served: there are no sequence models here`,
      );
    }
  }
  return asked;
}

/** TCP's checksum misses one error in 65,536: a wrong answer must not look like one. */
function withDigest(reply: Reply): Reply {
  const digest = `sha-256=:${hash("sha256", reply.body, "base64")}:`;
  return { ...reply, headers: { ...reply.headers, [CONTENT_DIGEST]: digest } };
}

function formatUsage(rows: number, deviceMs: number): string {
  return `rows=${rows};device=${round(deviceMs)}`;
}

/** Milliseconds with microseconds behind the point. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function tooLate(): WarmgateError {
  const reason = "the time budget had run out before the request could be read";
  return new WarmgateError("deadline_unreachable", reason, { retryAfterSeconds: 1 });
}
