/**
 * The gateway: which routes there are, and what is around each of them. Every request gets one record, one log line and,
 * when it is refused, the one error shape; what a prediction goes through is in `routes/inference.ts` and `gate/`.
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import { Hono } from "hono";
import { asWarmgateError, WarmgateError } from "../shared/protocol/errors.ts";
import type { Bindings } from "./environment.ts";
import { errorReply } from "./gate/reply.ts";
import { addDeploymentRoutes } from "./routes/admin/deployment.ts";
import { addKeyRoutes } from "./routes/admin/keys.ts";
import { addMetricsRoute, edgeMetrics } from "./routes/admin/metrics.ts";
import { addModelRouteRoutes } from "./routes/admin/model-routes.ts";
import { addNodeRoutes } from "./routes/admin/nodes.ts";
import { addRolloutRoutes } from "./routes/admin/rollouts.ts";
import { addTenantRoutes } from "./routes/admin/tenants.ts";
import { addUsageRoutes } from "./routes/admin/usage.ts";
import { addAnnouncementRoute } from "./routes/announcements.ts";
import { addDocumentationRoutes } from "./routes/documentation.ts";
import { addExplainRoutes } from "./routes/explain.ts";
import { addHealthRoutes } from "./routes/health.ts";
import { addInferenceRoutes } from "./routes/inference.ts";
import { addJobRoutes } from "./routes/jobs.ts";
import { addModelRoutes } from "./routes/models.ts";
import { type EdgeApp, type EdgeContext, type EdgeEnvironment, RequestExecution, recordOf } from "./routes/route.ts";
import { logCause, RequestLog } from "./telemetry/request-log.ts";

/** Answers any request. */
export type Gateway = (request: Request, bindings: Bindings, context: ExecutionContext) => Promise<Response>;

export function createGateway(): Gateway {
  const app = createApp();
  const log = new RequestLog();
  return async (request, bindings, context) => {
    const execution = new RequestExecution(request, context);
    const { record } = execution;
    const response = await app.fetch(request, bindings, execution);
    execution.sent.release();
    execution.answered.release();
    edgeMetrics.observe(record.observed(response.status));
    if (record.silent && response.ok) return response;
    const now = Date.now();
    const linesPerWrite = Number(bindings.LOG_LINES_PER_WRITE ?? 1);
    log.write(record.logLine(response.status, now), linesPerWrite, now, (pending) => context.waitUntil(pending));
    return response;
  };
}

function createApp(): EdgeApp {
  const app: EdgeApp = new OpenAPIHono<EdgeEnvironment>({ strict: true });
  app.onError((thrown, context) => {
    const error = asWarmgateError(thrown);
    const record = recordOf(context);
    record.code = error.code;
    if (error.cause !== undefined) logCause(error.cause, record.requestId);
    return errorReply(error, record);
  });

  addHealthRoutes(app);
  addModelRoutes(app);
  addInferenceRoutes(app);
  addExplainRoutes(app);
  addJobRoutes(app);
  addTenantRoutes(app);
  addKeyRoutes(app);
  addUsageRoutes(app);
  addDeploymentRoutes(app);
  addModelRouteRoutes(app);
  addRolloutRoutes(app);
  addNodeRoutes(app);
  addMetricsRoute(app);
  addAnnouncementRoute(app);
  addDocumentationRoutes(app);

  // A router of its own: a second handler on a path would cost each of its requests a chain of calls.
  const otherMethods = new Hono<EdgeEnvironment>({ strict: true });
  for (const [path, methods] of methodsByPath(app)) {
    otherMethods.all(path, (context) => {
      const allow = methods.join(", ");
      return refused(context, new WarmgateError("method_not_allowed", `this path takes ${allow} only`), allow);
    });
  }
  otherMethods.notFound((context) => refused(context, new WarmgateError("not_found", "there is no such path")));
  app.notFound((context) => otherMethods.fetch(context.req.raw, context.env, context.executionCtx));
  return app;
}

function refused(context: EdgeContext, error: WarmgateError, allow?: string): Response {
  const record = recordOf(context);
  record.code = error.code;
  return errorReply(error, record, allow);
}

function methodsByPath(app: EdgeApp): ReadonlyMap<string, readonly string[]> {
  const methods = new Map<string, string[]>();
  for (const { path, method } of app.routes) {
    if (method === "ALL") continue;
    const known = methods.get(path) ?? [];
    known.push(...(method === "GET" ? ["GET", "HEAD"] : [method]));
    methods.set(path, known);
  }
  return methods;
}
