/**
 * One way to add a route: what is documented is what runs. The OpenAPI document and the router are fed from the same
 * definition, but the body is left to the gate's own codec; validating tensors a second time would cost more than the
 * rest of the edge together.
 */
import { createRoute, type OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import type { Context, ExecutionContext } from "hono";
import type { Bindings } from "../environment.ts";
import { answerBytes, requestBytes } from "../gate/held-bytes.ts";
import { RequestRecord } from "../telemetry/request-record.ts";

export interface EdgeEnvironment {
  Bindings: Bindings;
}
export type EdgeApp = OpenAPIHono<EdgeEnvironment>;
export type EdgeContext = Context<EdgeEnvironment>;

/** What a request is answered within: the platform's context, and the request's one record. */
export class RequestExecution implements ExecutionContext {
  readonly record: RequestRecord;
  readonly sent = requestBytes.hold();
  readonly answered = answerBytes.hold();
  readonly props = undefined;
  readonly #platform: ExecutionContext;

  constructor(request: Request, platform: ExecutionContext) {
    this.record = new RequestRecord(request);
    this.#platform = platform;
  }

  waitUntil(pending: Promise<unknown>): void {
    this.#platform.waitUntil(pending);
  }

  passThroughOnException(): void {
    this.#platform.passThroughOnException();
  }
}

export function executionOf({ executionCtx }: EdgeContext): RequestExecution {
  if (executionCtx instanceof RequestExecution) return executionCtx;
  throw new Error("a request is answered by the gateway only");
}

export function recordOf(context: EdgeContext): RequestRecord {
  return executionOf(context).record;
}

export function addRoute(
  app: EdgeApp,
  config: RouteConfig,
  handler: (context: EdgeContext) => Promise<Response> | Response,
): void {
  const route = createRoute(config);
  app.openAPIRegistry.registerPath(route);
  app.on(route.method.toUpperCase(), route.getRoutingPath(), (context) => {
    recordOf(context).route = config.path;
    return handler(context);
  });
}

/** A path parameter that the router has matched. */
export function pathParameter(context: EdgeContext, name: string): string {
  return context.req.param(name) ?? "";
}
