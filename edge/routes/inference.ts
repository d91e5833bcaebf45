import { type RouteConfig, z } from "@hono/zod-openapi";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { EXPLAIN, TIMEOUT_MS } from "../../shared/protocol/headers.ts";
import { checkModelName } from "../../shared/protocol/model-name.ts";
import { cappedBudgetMs } from "../gate/caller-caps.ts";
import { type Principal, requireScope } from "../gate/identify.ts";
import { admit, withinLimits } from "./admission.ts";
import { predict } from "./prediction.ts";
import { addRoute, type EdgeApp, type EdgeContext, pathParameter, recordOf } from "./route.ts";
import {
  inferenceRequestSchema,
  inferenceResponseSchema,
  jobSchema,
  json,
  limitRefusals,
  modelPath,
  refusals,
  versionPath,
} from "./schemas.ts";

/** A held-out image of a seven, 8 x 8 grey values from 0 to 16. */
const EXAMPLE = {
  inputs: [
    {
      name: "pixels",
      shape: [1, 64],
      datatype: "FP32",
      data: [
        0, 0, 2, 15, 16, 16, 13, 0, 0, 0, 4, 11, 7, 15, 11, 0, 0, 0, 0, 0, 4, 15, 2, 0, 0, 0, 5, 12, 15, 16, 14, 0, 0,
        0, 8, 15, 15, 8, 1, 0, 0, 0, 0, 12, 9, 0, 0, 0, 0, 0, 0, 15, 4, 0, 0, 0, 0, 0, 3, 14, 0, 0, 0, 0,
      ],
    },
  ],
};

const definition: Omit<RouteConfig, "path"> = {
  method: "post",
  tags: ["Inference"],
  security: [{ apiKey: [] }],
  responses: {
    200: {
      description:
        "The outputs. As application/octet-stream with the header Inference-Header-Content-Length when any output was asked for in binary form.",
      content: {
        "application/json": { schema: inferenceResponseSchema },
        "application/octet-stream": { schema: { type: "string", format: "binary" } },
      },
    },
    202: json(
      z.object({ job: jobSchema }),
      "No answer yet: the route's fallback chain has made a job of the request. Location and Retry-After say where and when to ask.",
    ),
    ...refusals(
      ...([
        "malformed_json",
        "invalid_request",
        "invalid_shape",
        "invalid_data",
        "non_finite",
        "binary_required",
      ] as const),
      ...([
        "input_mismatch",
        "unknown_output",
        "batch_too_large",
        "invalid_model_name",
        "invalid_header_length",
      ] as const),
      ...(["unauthenticated", "forbidden", "model_not_found", "version_not_found", "body_too_large"] as const),
      ...limitRefusals,
      ...(["request_timeout"] as const),
      ...(["unsupported_media_type", "unsupported_encoding", "internal", "model_failed", "non_finite_output"] as const),
      ...(["not_implemented", "bad_pool_response", "model_not_ready", "overloaded", "pool_unavailable"] as const),
      ...(["deadline_unreachable", "deadline_exceeded", "not_cached"] as const),
      ...(["contract_not_found", "hardware_unavailable", "device_out_of_memory"] as const),
    ),
    304: {
      description:
        "If-None-Match names the answer's ETag: the caller holds it already. Only where the cache has a part.",
    },
  },
};

const body = {
  description:
    "JSON, or JSON followed by binary tensor data (then Inference-Header-Content-Length tells the length of the JSON). " +
    "gzip and deflate are accepted as Content-Encoding.",
  required: true,
  content: {
    "application/json": { schema: inferenceRequestSchema, example: EXAMPLE },
    "application/octet-stream": { schema: { type: "string", format: "binary" } },
  },
} as const;

export function addInferenceRoutes(app: EdgeApp): void {
  addRoute(
    app,
    {
      ...definition,
      path: "/v2/models/{model}/infer",
      summary: "Run a model; the server chooses the version",
      request: { params: modelPath, body },
    },
    infer,
  );
  addRoute(
    app,
    {
      ...definition,
      path: "/v2/models/{model}/versions/{version}/infer",
      summary: "Run a given version of a model",
      request: { params: versionPath, body },
    },
    infer,
  );
}

/** One prediction's way through the edge: identify, limit, decode, cache, forward, reply, meter. */
async function infer(context: EdgeContext): Promise<Response> {
  const record = recordOf(context);
  const { raw: request } = context.req;
  const model = pathParameter(context, "model");
  const version = context.req.param("version");
  checkModelName(model, version);
  const admitted = await admit(context, model);
  record.explains = wantsExplanation(request.headers, admitted.principal);
  record.mark("identify");
  const units = admitted.principal.configuration.costs[model] ?? 1;
  // What the body says can only shorten it, and the body has not been read.
  const budgetMs = cappedBudgetMs(admitted.principal, request.headers.get(TIMEOUT_MS) ?? undefined, {});
  return withinLimits(context, admitted.principal, { units, budgetMs }, (permit) =>
    predict(context, admitted, budgetMs, permit),
  );
}

/** @throws WarmgateError `forbidden` for who may not have it, `invalid_request` */
function wantsExplanation(headers: Headers, principal: Principal): boolean {
  const wish = headers.get(EXPLAIN);
  if (wish === null) return false;
  if (wish !== "1") throw new WarmgateError("invalid_request", `${EXPLAIN} must be 1, or left out`);
  requireScope(principal, "explain");
  return true;
}
