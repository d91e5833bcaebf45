import type { IncomingMessage, ServerResponse } from "node:http";
import { TIMEOUT_MS } from "../../shared/protocol/headers.ts";

/** One request and its response, with what has been found out about it so far. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  requestId: string;
  /** How long the edge allows, as it signed it; undefined for a request that carries no signature. */
  timeoutMs: string | undefined;
}

/** A header that came once; undefined without it. */
export function singleHeader({ request }: Exchange, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}

/** The time the answer may take, as it was said: signed by the edge, or by the caller's own header. */
export function statedTimeout(exchange: Exchange): string | undefined {
  return exchange.timeoutMs ?? singleHeader(exchange, TIMEOUT_MS);
}
