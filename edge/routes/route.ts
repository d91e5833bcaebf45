/**
 * One way to add a route: what is documented is what runs. The OpenAPI document and the router are fed from the same
 * definition, but the body is left to the gate's own codec; validating tensors a second time would cost more than the
 * rest of the edge together.
 */
import { createRoute, type OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Bindings } from "../environment.ts";
import type { RequestRecord } from "../telemetry/request-record.ts";

export interface EdgeVariables {
  record: RequestRecord;
}
export interface EdgeEnvironment {
  Bindings: Bindings;
  Variables: EdgeVariables;
}
export type EdgeApp = OpenAPIHono<EdgeEnvironment>;
export type EdgeContext = Context<EdgeEnvironment>;

export function addRoute(
  app: EdgeApp,
  config: RouteConfig,
  handler: (context: EdgeContext) => Promise<Response> | Response,
): void {
  const route = createRoute(config);
  app.openAPIRegistry.registerPath(route);
  app.on(route.method.toUpperCase(), route.getRoutingPath(), (context) => {
    context.get("record").route = config.path;
    return handler(context);
  });
}

/** A path parameter that the router has matched. */
export function pathParameter(context: EdgeContext, name: string): string {
  return context.req.param(name) ?? "";
}
