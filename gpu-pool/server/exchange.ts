import type { IncomingMessage, ServerResponse } from "node:http";
import { TIMEOUT_MS } from "../../shared/protocol/headers.ts";

/** The other end of a request, which may leave before it is answered. */
export interface Caller {
  readonly gone: boolean;
  /** Calls `listener` when the connection ends, or once the answer has been sent. */
  onceGone(listener: () => void): void;
  offGone(listener: () => void): void;
}

/** One request, with what has been found out about it so far. */
export interface Exchange {
  readonly method: string;
  /** Path and query exactly as sent. */
  readonly target: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly caller: Caller;
  /** When it came, which may be before it was read; see `ArrivalClock`. */
  readonly arrivedAt: number;
  requestId: string;
  /** How long the edge allows, as it signed it; undefined for a request that carries no signature. */
  timeoutMs: string | undefined;
  /** Rows that the tenant may send at once, as the edge signed it; 0: as many as the model takes. */
  maxRows: number;
  /** Who asks, as the edge signed it, or as a tool says it to an open pool. */
  tenant: string;
}

/** A request as Node's HTTP server hands it out. */
export function nodeExchange(
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
  arrivedAt: number,
): Exchange {
  return {
    arrivedAt,
    method: request.method ?? "",
    target: request.url ?? "",
    headers: request.headers,
    caller: {
      get gone() {
        return response.destroyed;
      },
      onceGone: (listener) => void response.once("close", listener),
      offGone: (listener) => void response.off("close", listener),
    },
    requestId,
    timeoutMs: undefined,
    maxRows: 0,
    tenant: "",
  };
}

/** A header that came once; undefined without it. */
export function singleHeader({ headers }: Pick<Exchange, "headers">, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
}

/** The time the answer may take, as it was said: signed by the edge, or by the caller's own header. */
export function statedTimeout(exchange: Exchange): string | undefined {
  return exchange.timeoutMs ?? singleHeader(exchange, TIMEOUT_MS);
}
