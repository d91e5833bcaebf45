/**
 * The gateway: which routes there are, and what is around each of them. Every request gets one record, one log line and,
 * when it is refused, the one error shape; what a prediction goes through is in `routes/inference.ts` and `gate/`.
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import { asWarmgateError, WarmgateError } from "../shared/protocol/errors.ts";
import { errorReply } from "./gate/reply.ts";
import { addDeploymentRoutes } from "./routes/admin/deployment.ts";
import { addKeyRoutes } from "./routes/admin/keys.ts";
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
import { addModelRoutes } from "./routes/models.ts";
import type { EdgeApp, EdgeEnvironment } from "./routes/route.ts";
import { RequestLog } from "./telemetry/request-log.ts";
import { RequestRecord } from "./telemetry/request-record.ts";

export function createApp(): EdgeApp {
  const app: EdgeApp = new OpenAPIHono<EdgeEnvironment>({ strict: true });

  const log = new RequestLog();
  app.use(async (context, next) => {
    const record = new RequestRecord(context.req.raw);
    context.set("record", record);
    await next();
    if (record.silent && context.res.ok) return;
    const now = Date.now();
    const linesPerWrite = Number(context.env.LOG_LINES_PER_WRITE ?? 1);
    log.write(record.logLine(context.res.status, now), linesPerWrite, now, (pending) =>
      context.executionCtx.waitUntil(pending),
    );
  });
  app.onError((thrown, context) => {
    const error = asWarmgateError(thrown);
    const record = context.get("record");
    record.code = error.code;
    if (error.cause !== undefined) {
      console.error(JSON.stringify({ level: "error", request_id: record.requestId, cause: String(error.cause) }));
    }
    return errorReply(error, record);
  });

  addHealthRoutes(app);
  addModelRoutes(app);
  addInferenceRoutes(app);
  addExplainRoutes(app);
  addTenantRoutes(app);
  addKeyRoutes(app);
  addUsageRoutes(app);
  addDeploymentRoutes(app);
  addModelRouteRoutes(app);
  addRolloutRoutes(app);
  addNodeRoutes(app);
  addAnnouncementRoute(app);
  addDocumentationRoutes(app);

  const allowed = methodsByPath(app);
  for (const [path, methods] of allowed) {
    app.all(path, (context) => {
      const allow = methods.join(", ");
      const record = context.get("record");
      record.code = "method_not_allowed";
      return errorReply(new WarmgateError("method_not_allowed", `this path takes ${allow} only`), record, allow);
    });
  }
  app.notFound((context) => {
    const record = context.get("record");
    record.code = "not_found";
    return errorReply(new WarmgateError("not_found", "there is no such path"), record);
  });
  return app;
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
