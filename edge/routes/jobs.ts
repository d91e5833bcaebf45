/**
 * What callers may do with their jobs: see them, read what came of them, cancel one that waits. A tenant's jobs are its own: another
 * one's are 404, as what is not there at all.
 */
import { z } from "@hono/zod-openapi";
import { type ErrorCode, WarmgateError } from "../../shared/protocol/errors.ts";
import { JOBS_PATH } from "../../shared/protocol/job.ts";
import { decodeInferenceResponse, encodeInferenceResponse } from "../../shared/protocol/response.ts";
import { scopeCovers } from "../../shared/protocol/scope.ts";
import { type Principal, requireScope } from "../gate/identify.ts";
import { reply } from "../gate/reply.ts";
import type { JobView } from "../objects/job-store.ts";
import type { Message } from "../objects/jobs/job-order.ts";
import { checked, pageQuery, pageSchema, valueReply } from "./admin/admin-route.ts";
import { authenticate, withinLimits } from "./admission.ts";
import { describeJob, retryAfterSeconds } from "./job-description.ts";
import { jobReply } from "./job-reply.ts";
import { addRoute, type EdgeApp, type EdgeContext, pathParameter, recordOf } from "./route.ts";
import { inferenceResponseSchema, jobSchema as job, json, limitRefusals, refusals } from "./schemas.ts";

/** Sees and cancels the jobs of all models. */
const SCOPE = "jobs";
const BUDGET_MS = 10_000;
const JOB_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const jobPath = z.object({ job: z.string().openapi({ param: { name: "job", in: "path" } }) });
const pages = z.object({
  ...pageQuery,
  after: z
    .string()
    .regex(/^\d{0,15}$/, "is not `next` of a page")
    .default("")
    .openapi({ description: "`next` of the page before." }),
});

interface JobRoute {
  readonly method: "get" | "delete";
  readonly path: string;
  readonly summary: string;
  readonly also?: readonly ErrorCode[];
}

export function addJobRoutes(app: EdgeApp): void {
  const one = `${JOBS_PATH}/{job}`;
  addJobRoute(
    app,
    { method: "get", path: JOBS_PATH, summary: "The tenant's jobs, the newest first", also: ["invalid_request"] },
    { query: pages, 200: json(pageSchema(job), "A page of them.") },
    list,
  );
  addJobRoute(
    app,
    { method: "get", path: one, summary: "Where a job is, and its answer once there is one" },
    { params: jobPath, 200: json(z.object({ job, result: inferenceResponseSchema.optional() }), "The job.") },
    show,
  );
  addJobRoute(
    app,
    {
      ...{ method: "get", path: `${one}/result`, also: ["job_without_result", "model_failed", "job_result_too_large"] },
      summary: "The answer alone, in the form that the request asked for; of a job that failed its refusal",
    },
    { params: jobPath, 200: json(inferenceResponseSchema, "As the prediction would have been answered.") },
    result,
  );
  addJobRoute(
    app,
    { method: "delete", path: one, summary: "Cancel a job that waits", also: ["job_not_cancellable"] },
    { params: jobPath, 200: json(z.object({ job }), "The job, which is cancelled.") },
    cancel,
  );
}

function addJobRoute(
  app: EdgeApp,
  { also = [], ...definition }: JobRoute,
  { params, query, ...replies }: { params?: typeof jobPath; query?: typeof pages; 200: ReturnType<typeof json> },
  handler: (context: EdgeContext, principal: Principal) => Promise<Response>,
): void {
  const always = ["unauthenticated", "forbidden", ...(params ? (["not_found", "job_expired"] as const) : [])] as const;
  const config = {
    ...{ ...definition, tags: ["Jobs"], security: [{ apiKey: [] }] },
    request: { ...(params ? { params } : {}), ...(query ? { query } : {}) },
    responses: { ...replies, ...refusals(...always, ...also, ...limitRefusals) },
  };
  addRoute(app, config, async (context) => {
    const { principal } = await authenticate(context);
    recordOf(context).mark("identify");
    // It counts for the rate; no quota is used up by what runs no model.
    return withinLimits(context, principal, { units: 1, budgetMs: BUDGET_MS }, () => handler(context, principal));
  });
}

async function list(context: EdgeContext, principal: Principal): Promise<Response> {
  const { after, limit } = checked(pages, context.req.query());
  const before = after === "" ? Number.MAX_SAFE_INTEGER : Number(after);
  const scopes = scopeCovers(principal.scopes, SCOPE) ? ["predict:*"] : principal.scopes;
  const found = await storeOf(context, principal).list(before, limit + 1, scopes);
  const page = found.slice(0, limit);
  const next = found.length > limit ? String(page.at(-1)?.seq) : null;
  return valueReply(context, { items: page.map(describeJob), next });
}

async function show(context: EdgeContext, principal: Principal): Promise<Response> {
  const found = await findJob(context, principal);
  const message = found.state.kind === "succeeded" ? await storeOf(context, principal).result(found.id) : null;
  return jobReply(found, recordOf(context), { result: message ? asJson(message) : undefined });
}

async function result(context: EdgeContext, principal: Principal): Promise<Response> {
  const found = await findJob(context, principal);
  const { state } = found;
  if (state.kind === "failed") throw new WarmgateError(state.failure.code, state.failure.message);
  const message = state.kind === "succeeded" ? await storeOf(context, principal).result(found.id) : null;
  if (!message) {
    const retryAfter = retryAfterSeconds(found, Date.now());
    const again = retryAfter === undefined ? {} : { retryAfterSeconds: retryAfter };
    throw new WarmgateError("job_without_result", `the job is ${state.kind}`, again);
  }
  const { body, headerLength } = message;
  return reply(
    { body, headerLength: headerLength ?? undefined },
    recordOf(context),
    context.req.raw.headers.get("accept-encoding"),
  );
}

async function cancel(context: EdgeContext, principal: Principal): Promise<Response> {
  const { id } = await findJob(context, principal);
  const now = await storeOf(context, principal).cancel(id);
  if (!now) throw notFound();
  if (now.state.kind === "cancelled") return jobReply(now, recordOf(context));
  throw new WarmgateError("job_not_cancellable", `the job is ${describeJob(now).status}`);
}

function storeOf({ env }: EdgeContext, { tenant }: Principal) {
  return env.JOB_STORE.getByName(tenant);
}

/** @throws WarmgateError `not_found`, `job_expired`, `forbidden` for a credential that may not use the job's model */
async function findJob(context: EdgeContext, principal: Principal): Promise<JobView> {
  const id = pathParameter(context, "job");
  const found = JOB_ID.test(id) ? await storeOf(context, principal).find(id) : null;
  if (!found) throw notFound();
  if (!scopeCovers(principal.scopes, SCOPE)) requireScope(principal, `predict:${found.model}`);
  recordOf(context).model = found.model;
  describeJob(found);
  return found;
}

/** @returns undefined where the answer has no JSON form */
function asJson({ body, headerLength }: Message): string | undefined {
  if (headerLength === null) return new TextDecoder().decode(body);
  try {
    const response = decodeInferenceResponse(body, String(headerLength));
    return new TextDecoder().decode(encodeInferenceResponse(response, { binaryOutput: false }).body);
  } catch (error) {
    if (error instanceof WarmgateError) return undefined;
    throw error;
  }
}

function notFound(): WarmgateError {
  return new WarmgateError("not_found", "there is no such job");
}
