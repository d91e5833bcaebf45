/**
 * What is known of one request while it is answered, for Server-Timing and for its one log line. Inputs, outputs,
 * secrets and raw URLs never enter it.
 *
 * On deployed Workers clocks stand still during computation and move with I/O only, so stages without I/O read 0
 * there; on one machine they are real.
 */
import type { LimitStanding } from "../../shared/control/lease-messages.ts";
import type { ObservedRequest } from "./edge-metrics.ts";
import type { Decisions } from "./explanation.ts";
import { continueTrace, type TraceContext } from "./trace-context.ts";

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

export class RequestRecord {
  readonly requestId: string;
  readonly trace: TraceContext;
  /** The route's pattern, not the URL; empty for a path that does not exist. */
  route = "";
  /** The code of the refusal, if it was one. */
  code: string | undefined;
  tenant: string | undefined;
  kid: string | undefined;
  model: string | undefined;
  version: string | undefined;
  /** The configuration that the caller was let in under; 0 before anybody was. */
  configVersion = 0;
  /** Where the caller's limits stand, once they were consulted. */
  standings: readonly LimitStanding[] = [];
  /** What the prediction cache did, as Cache-Status says it; empty where it has no part. */
  cacheStatus = "";
  /** Names the reply's bytes; empty where nothing does. */
  entityTag = "";
  /** What was decided, for the explanation. */
  readonly decisions: Decisions = { trail: { attempts: [] } };
  /** Whether the caller asked for an explanation and may have it. */
  explains = false;
  /** How a prediction was answered; undefined for other requests, and until it is. */
  answered: ObservedRequest["answered"];
  /** How a degraded answer was come by, and what had failed before; undefined for every other answer. */
  degraded: string | undefined;
  degradedBy: string | undefined;
  /** What the reply's headers say of the contract and the experiment. */
  routeHeaders: Readonly<Record<string, string>> = {};
  /** Heartbeats are not worth a line each. */
  silent = false;
  /** The pool's own stages, as it reported them. */
  poolTiming = "";
  bytesIn = 0;
  bytesOut = 0;
  readonly #method: string;
  readonly #startedAt = performance.now();
  #lastMark = this.#startedAt;
  readonly #stages: (readonly [name: string, ms: number])[] = [];

  constructor(request: Request) {
    const given = request.headers.get("x-request-id");
    this.requestId = given !== null && REQUEST_ID.test(given) ? given : crypto.randomUUID();
    this.trace = continueTrace(request.headers.get("traceparent"));
    this.#method = request.method;
  }

  /** Ends a stage: the time since the one before it. */
  mark(stage: string): void {
    const now = performance.now();
    this.#stages.push([stage, now - this.#lastMark]);
    this.#lastMark = now;
  }

  serverTiming(): string {
    const own = this.#stages.map(([name, ms]) => `${name};dur=${round(ms)}`);
    own.push(`total;dur=${round(performance.now() - this.#startedAt)}`);
    return this.poolTiming === "" ? own.join(", ") : `${own.join(", ")}, ${this.poolTiming}`;
  }

  /** For the metrics. */
  observed(status: number): ObservedRequest {
    const { attempts, shed } = this.decisions.trail;
    const { route } = this;
    const answered = status < 400 ? this.answered : undefined;
    return { route, status, ms: performance.now() - this.#startedAt, answered, shed, attempts };
  }

  /** The request's one line in the log. */
  logLine(status: number, now: number): string {
    return JSON.stringify({
      ts: new Date(now).toISOString(),
      level: status >= 500 ? "error" : "info",
      request_id: this.requestId,
      trace_id: this.trace.traceId,
      method: this.#method,
      route: this.route,
      status,
      code: this.code,
      tenant: this.tenant,
      kid: this.kid,
      model: this.model,
      version: this.version,
      degraded: this.degraded,
      degraded_by: this.degradedBy,
      node: this.decisions.trail.attempts.at(-1)?.node,
      cache: this.cacheStatus === "" ? undefined : this.cacheStatus,
      ms: round(performance.now() - this.#startedAt),
      stages: Object.fromEntries(this.#stages.map(([name, ms]) => [name, round(ms)])),
      bytes_in: this.bytesIn,
      bytes_out: this.bytesOut,
    });
  }
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
