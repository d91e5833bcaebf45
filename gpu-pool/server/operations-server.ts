/**
 * The operations port: liveness, readiness and metrics for the machines that look after the pool. It is never reached
 * through the edge and is not the port that takes requests, so watching the pool neither needs a signature nor
 * competes with work.
 */
import { createServer, type Server } from "node:http";
import type { Registry } from "prom-client";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { errorReply, jsonReply, type Reply, send } from "./reply.ts";

export interface OperationsOptions {
  readonly registry: Registry;
  /** Whether this process should be given work. */
  readonly ready: () => boolean;
  readonly listModels: () => unknown;
}

export function createOperationsServer(options: OperationsOptions): Server {
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 5_000 }, (request, response) => {
    const requestId = "operations";
    request.resume();
    answer(options, request.method ?? "", request.url ?? "").then(
      (reply) => send(response, reply, requestId),
      () => send(response, errorReply(new WarmgateError("internal", "internal error"), requestId), requestId),
    );
  });
  server.maxConnections = 64;
  return server;
}

async function answer(options: OperationsOptions, method: string, target: string): Promise<Reply> {
  if (method !== "GET" && method !== "HEAD") {
    const error = new WarmgateError("method_not_allowed", "this path takes GET, HEAD only");
    return { ...errorReply(error, "operations"), headers: { allow: "GET, HEAD" } };
  }
  switch (target.split("?")[0]) {
    case "/livez":
      return jsonReply({ live: true });
    case "/readyz":
      return jsonReply({ ready: options.ready() }, options.ready() ? 200 : 503);
    case "/models":
      return jsonReply(options.listModels());
    case "/metrics":
      return { status: 200, body: await options.registry.metrics(), contentType: options.registry.contentType };
    default:
      return errorReply(
        new WarmgateError("not_found", "there are /livez, /readyz, /models and /metrics"),
        "operations",
      );
  }
}
