/**
 * The pool's HTTP side: the Open Inference Protocol v2 with the extensions that `GET /v2` names.
 *
 * Every request goes the same way: route -> read the body up to its cap -> verify the signature over the raw bytes ->
 * answer. Promises: exactly one answer a request, in the one error shape when it is a refusal; nothing is parsed
 * before it is verified; a body is never held beyond the cap; while draining, what was taken in is answered and new
 * work is refused; while the process is short of resources, work is refused in stages (`overload/overload-stage.ts`)
 * and health stays answered.
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Logger } from "pino";
import { asWarmgateError, WarmgateError } from "../../shared/protocol/errors.ts";
import { POOL_LOAD, REQUEST_ID, TENANT } from "../../shared/protocol/headers.ts";
import type { OverloadMonitor } from "../overload/overload-monitor.ts";
import type { ModelRepository } from "../repository/model-repository.ts";
import type { Completions } from "../runtime/completions.ts";
import type { PredictionScheduler } from "../runtime/served-model.ts";
import type { Clock } from "../scheduler/executor.ts";
import { outcomeOf, type PoolMetrics } from "../telemetry/metrics.ts";
import { ArrivalClock } from "./arrival-clock.ts";
import type { Authenticator } from "./authenticate.ts";
import { DirectLane, type DirectRequest } from "./direct-lane.ts";
import { type Exchange, nodeExchange, singleHeader } from "./exchange.ts";
import { infer } from "./inference.ts";
import { formatLoad } from "./load.ts";
import { modelConfig, modelMetadata, modelStatistics } from "./model-description.ts";
import type { NodeDescription } from "./node-description.ts";
import { errorReply, jsonReply, LINGER_MS, type Reply, send, sendAhead } from "./reply.ts";
import { loadFromRepository, repositoryIndex, unloadFromRepository } from "./repository-control.ts";
import { checkDeclaredLength, decompress, readBody } from "./request-body.ts";
import { RetryAdmission } from "./retry-admission.ts";
import { MethodNotAllowed, matchRoute, type Route } from "./routing.ts";

export interface PoolServerOptions {
  readonly repository: ModelRepository;
  readonly scheduler: PredictionScheduler;
  readonly completions: Completions;
  readonly authenticator: Authenticator;
  readonly description: NodeDescription;
  readonly metrics: PoolMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly overload: OverloadMonitor;
  /** Largest body in bytes, before and after decompression. */
  readonly maxBodyBytes: number;
  readonly version: string;
}

/** What `GET /v2` advertises: only what is served. */
const EXTENSIONS = ["binary_tensor_data", "model_repository", "model_configuration", "statistics", "schedule_policy"];

/** Longer than any proxy in front keeps a connection: the side that sends requests must be the one that closes. */
const KEEP_ALIVE_MS = 960_000;
const HEADERS_MS = 10_000;
const MOST_CONNECTIONS = 10_000;
/** Connections that may wait to be accepted: a burst of callers beyond Node's 511 would be made to wait a second and more. */
const BACKLOG = 4_096;
/** Largest body that is read while all inference is refused: health and control carry no more. */
const SMALL_BODY_BYTES = 64 * 1024;

const TENANT_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;
const REQUEST_ID_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;

export class PoolServer {
  readonly #options: PoolServerOptions;
  readonly #server: Server;
  readonly #directLane: DirectLane;
  readonly #arrivals: ArrivalClock;
  readonly #retries = new RetryAdmission();
  #draining = false;
  #inFlight = 0;
  #whenIdle: (() => void) | undefined;

  constructor(options: PoolServerOptions) {
    this.#options = options;
    this.#arrivals = new ArrivalClock(options.clock.now);
    this.#server = createServer({
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEADERS_MS,
      requestTimeout: 30_000,
      connectionsCheckingInterval: 5_000,
      maxHeaderSize: 32 * 1024,
      noDelay: true,
    });
    this.#server.on("request", (request, response) => void this.#serve(request, response));
    this.#server.on("checkContinue", (request, response) => void this.#serve(request, response, true));
    // Expectations that are not known may be passed over (RFC 9110, 10.1.1); Node's own refusal has no body.
    this.#server.on("checkExpectation", (request, response) => void this.#serve(request, response));
    this.#server.on("clientError", refuseMalformed);
    // A connection that could not be accepted, for want of a descriptor: the system has turned it away already.
    this.#server.on("error", () => undefined);
    this.#server.maxConnections = MOST_CONNECTIONS;
    // Connections come to the direct lane first; what is not for it goes where Node would have sent it.
    const nodesOwn = this.#server.listeners("connection");
    this.#server.removeAllListeners("connection");
    this.#directLane = new DirectLane({
      serve: (request) => void this.#serveDirectly(request),
      handOver: (socket) => {
        for (const listener of nodesOwn) listener.call(this.#server, socket);
      },
      endsConnections: () => this.#options.overload.closesConnections,
      firstMs: HEADERS_MS,
      keepAliveMs: KEEP_ALIVE_MS,
    });
    this.#server.on("connection", (socket) => this.#directLane.accept(socket));
  }

  /** @throws Error with code EADDRINUSE when the port is taken */
  listen(port: number, host: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ port, host, backlog: BACKLOG }, () => resolve());
    });
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  /** Connections beyond this many are turned away when they come. */
  limitConnections(most: number): void {
    this.#server.maxConnections = Math.min(MOST_CONNECTIONS, most);
  }

  /** Closes connections that carry no request. */
  closeUnusedConnections(): void {
    // After the loop's next look at the sockets: a request may have come that has not been read yet.
    setImmediate(() => {
      this.#server.closeIdleConnections();
      this.#directLane.closeUnused();
    });
  }

  /** Refuses new work, answers what is in flight, then closes. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#server.close();
    this.#server.closeIdleConnections();
    this.#directLane.close();
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse, awaitsContinue = false): Promise<void> {
    const exchange = nodeExchange(request, response, requestIdOf(request.headers), this.#arrivals.arrivedAt());
    const { overload, maxBodyBytes } = this.#options;
    const over = this.#begin();
    let status = 500;
    onceOver(request, response, () => over(response.writableFinished, status));
    const reply = await this.#answerOrRefuse(exchange, async () => {
      const route = matchRoute(exchange.method, exchange.target);
      const refusal = () => (route.to === "infer" ? this.#refusalUnread() : undefined);
      const refused = refusal();
      if (refused) throw refused;
      const limit = overload.refusesAll ? Math.min(SMALL_BODY_BYTES, maxBodyBytes) : maxBodyBytes;
      if (awaitsContinue) {
        checkDeclaredLength(request, limit);
        response.writeContinue();
      }
      const body = await readBody(request, limit, refusal);
      if (this.#draining && route.to !== "server_live") response.shouldKeepAlive = false;
      return this.#answer(exchange, route, body);
    });
    status = reply.status;
    if (overload.closesConnections) response.shouldKeepAlive = false;
    if (request.complete) send(response, reply, exchange.requestId);
    else sendAhead(request, response, reply, exchange.requestId);
  }

  async #serveDirectly(direct: DirectRequest): Promise<void> {
    const { target, headers, body } = direct.message;
    const requestId = requestIdOf(headers);
    const { caller } = direct;
    const exchange: Exchange = {
      method: "POST",
      target,
      headers,
      caller,
      arrivedAt: this.#arrivals.arrivedAt(),
      requestId,
      timeoutMs: undefined,
      maxRows: 0,
      tenant: "",
    };
    const over = this.#begin();
    let status = 500;
    direct.onOver = (sent) => over(sent, status);
    const reply = await this.#answerOrRefuse(exchange, async () => {
      const refused = this.#refusalUnread();
      if (refused) throw refused;
      return this.#answer(exchange, matchRoute("POST", target), body);
    });
    status = reply.status;
    direct.reply(reply, exchange.requestId);
  }

  /** The refusal of an inference request of which nothing but the headers is looked at. */
  #refusalUnread(): WarmgateError | undefined {
    const { overload } = this.#options;
    return overload.refusesAll ? overload.refuse("unread") : undefined;
  }

  /** Counts a request in; the function that comes back counts it out. */
  #begin(): (sent: boolean, status: number) => void {
    const { metrics, completions } = this.#options;
    completions.takeIn();
    metrics.received();
    this.#inFlight++;
    return (sent, status) => {
      metrics.answered(sent ? outcomeOf(status) : "cancelled");
      this.#inFlight--;
      if (this.#draining && this.#inFlight === 0) this.#whenIdle?.();
    };
  }

  async #answerOrRefuse(exchange: Exchange, answer: () => Promise<Reply>): Promise<Reply> {
    try {
      return await answer();
    } catch (thrown) {
      const { requestId } = exchange;
      const error = asWarmgateError(thrown);
      if (isFault(error) && !exchange.caller.gone) {
        const { code, message, cause } = error;
        this.#options.log.warn({ request_id: requestId, code, reason: message, err: cause }, "request failed");
      }
      const reply = errorReply(error, requestId);
      if (thrown instanceof MethodNotAllowed) return { ...reply, headers: { allow: thrown.allowed } };
      if (error.retryAfterSeconds === undefined) return reply;
      const { scheduler } = this.#options;
      const load = formatLoad(scheduler.load, scheduler.waitMsOf(exchange.tenant));
      return { ...reply, headers: { ...reply.headers, [POOL_LOAD]: load } };
    }
  }

  /** @param raw the whole body as it came */
  async #answer(exchange: Exchange, route: Route, raw: Uint8Array): Promise<Reply> {
    const { authenticator, maxBodyBytes } = this.#options;
    const signed = authenticator.authenticate(exchange, raw);
    if (signed) {
      exchange.requestId = signed.requestId;
      exchange.timeoutMs = String(signed.timeoutMs);
      exchange.maxRows = signed.maxRows;
      exchange.tenant = signed.tenant;
    } else exchange.tenant = tenantOf(exchange);
    // The edge compresses nothing and signs no such header, so a signed body is read as it stands.
    const encoding = signed ? undefined : singleHeader(exchange, "content-encoding");
    const body = encoding ? await decompress(raw, encoding, maxBodyBytes) : raw;
    return this.#route(route, exchange, body);
  }

  #route(route: Route, exchange: Exchange, body: Uint8Array): Reply | Promise<Reply> {
    const { repository, scheduler, clock, overload, version } = this.#options;
    switch (route.to) {
      case "infer": {
        if (this.#draining) throw new WarmgateError("draining", "this process is stopping", { retryAfterSeconds: 1 });
        this.#retries.admit(exchange);
        const model = repository.find(route.model, route.version);
        return infer(model, exchange, body, clock, scheduler, overload);
      }
      case "server_live":
        return jsonReply({ live: true });
      case "server_ready":
        if (!repository.ready || this.#draining) throw notReady();
        return jsonReply({ ready: true });
      case "node":
        return jsonReply(this.#options.description.describe(this.#draining));
      case "server_metadata":
        return jsonReply({ name: "warmgate", version, extensions: EXTENSIONS });
      case "model_ready":
        return jsonReply({ name: repository.find(route.model, route.version).identity.name, ready: true });
      case "model_metadata":
        return jsonReply(
          modelMetadata(repository.find(route.model, route.version), repository.readyVersions(route.model)),
        );
      case "model_config":
        return jsonReply(modelConfig(repository.find(route.model, route.version)));
      case "model_statistics": {
        const versions = route.version === undefined ? repository.readyVersions(route.model) : [route.version];
        if (versions.length === 0) repository.find(route.model);
        const models = versions.map((name) => repository.find(route.model, name));
        return jsonReply({ model_stats: models.map((model) => modelStatistics(model, clock.now())) });
      }
      case "all_statistics":
        return jsonReply({ model_stats: repository.served().map((model) => modelStatistics(model, clock.now())) });
      case "repository_index":
        return repositoryIndex(repository, body);
      case "repository_load":
        return loadFromRepository(repository, route.model, body);
      case "repository_unload":
        return unloadFromRepository(repository, route.model, body);
    }
  }
}

/** Something broke, as opposed to: the caller's fault, or more work than can be done, which overload must not make worse. */
function isFault({ status }: WarmgateError): boolean {
  return status === 500 || status === 502;
}

function notReady(): WarmgateError {
  return new WarmgateError("model_not_ready", "models are still loading", { retryAfterSeconds: 1 });
}

function requestIdOf(headers: Exchange["headers"]): string {
  const given = headers[REQUEST_ID];
  return typeof given === "string" && REQUEST_ID_PATTERN.test(given) ? given : randomUUID();
}

function tenantOf(exchange: Exchange): string {
  const given = singleHeader(exchange, TENANT);
  return given !== undefined && TENANT_PATTERN.test(given) ? given : "";
}

/** Calls `over` once, when the response has been sent or its connection has gone. */
function onceOver(request: IncomingMessage, response: ServerResponse, over: () => void): void {
  if (response.socket) {
    response.once("close", over);
    return;
  }
  // Pipelined behind another: it has no socket yet, and Node does not tell it when the connection goes.
  const { socket } = request;
  const settle = () => {
    response.off("close", settle);
    socket.off("close", settle);
    over();
  };
  response.on("close", settle);
  socket.setMaxListeners(0).on("close", settle);
}

/** What never became a request: bad framing, headers that are too large or too slow. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const refusal =
    error.code === "HPE_HEADER_OVERFLOW"
      ? new WarmgateError("headers_too_large", "the request's headers are too large")
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? new WarmgateError("request_timeout", "the request did not arrive in time")
        : new WarmgateError("invalid_request", "the request is not valid HTTP/1.1");
  const requestId = randomUUID();
  const body = JSON.stringify(refusal.body(requestId));
  socket.end(
    `HTTP/1.1 ${refusal.status} ${refusal.code}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n${REQUEST_ID}: ${requestId}\r\nconnection: close\r\n\r\n${body}`,
  );
  // A caller that keeps its side open must not keep the connection.
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
