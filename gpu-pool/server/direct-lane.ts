/**
 * The short way for the requests that are nearly all of the traffic: whole, plain inference requests on a connection
 * that is kept open, as edges and clients send them. Node's HTTP server spends two thirds of such a request's time on
 * streams and events that a message which is already there whole does not need.
 *
 * It takes what `readWholeMessage` takes. At the first bytes that are anything else the connection is handed to Node's
 * server, for good, bytes included; so slow, split, chunked, pipelined, oversized and malformed requests meet the same
 * parser, limits and time limits as ever, and this lane holds no half-read state.
 *
 * Promises: one answer a request, in order; a caller that leaves is noticed; while draining, idle connections are closed
 * and busy ones answered first.
 */
import type { Socket } from "node:net";
import type { Caller } from "./exchange.ts";
import { formatReply, type Reply } from "./reply.ts";
import { readWholeMessage, type WholeMessage } from "./whole-message.ts";

export interface DirectRequest {
  readonly message: WholeMessage;
  readonly caller: Caller;
  /** Sends the answer; `over` is called once, with whether all of it was handed to the network. */
  reply(reply: Reply, requestId: string): void;
  /** Called once, when the answer has been sent (true) or the caller has gone before (false). */
  onOver: ((sent: boolean) => void) | undefined;
}

export interface DirectLaneOptions {
  readonly serve: (request: DirectRequest) => void;
  /** Takes over a connection that is not for this lane; what was read of it is in the socket again. */
  readonly handOver: (socket: Socket) => void;
  /** Whether the next reply is to end its connection. */
  readonly endsConnections: () => boolean;
  /** How long a new connection may say nothing, and one that is kept open, in milliseconds. */
  readonly firstMs: number;
  readonly keepAliveMs: number;
}

/** How long a connection may be unused when connections are scarce; as the idle timeout of Envoy's overload manager. */
const UNUSED_MS = 2_000;

export class DirectLane {
  readonly #options: DirectLaneOptions;
  /** Bounded by the server's largest number of connections. */
  readonly #connections = new Set<DirectConnection>();
  #closing = false;

  constructor(options: DirectLaneOptions) {
    this.#options = options;
  }

  accept(socket: Socket): void {
    if (this.#closing) this.#options.handOver(socket);
    else this.#connections.add(new DirectConnection(socket, this.#options, (left) => this.#connections.delete(left)));
  }

  /** Closes connections that have carried no request for a while, new ones that have said nothing among them. */
  closeUnused(): void {
    const unusedSince = performance.now() - UNUSED_MS;
    for (const connection of this.#connections) connection.closeIfUnusedSince(unusedSince);
  }

  /** Closes what is idle; what is busy closes once it is answered. */
  close(): void {
    this.#closing = true;
    for (const connection of this.#connections) connection.closeWhenIdle();
  }
}

class DirectConnection implements Caller {
  readonly #socket: Socket;
  readonly #options: DirectLaneOptions;
  readonly #leave: (left: DirectConnection) => void;
  #request: DirectRequest | undefined;
  /** What came before the answer had gone out; never more than one chunk, as reading is paused then. */
  #early: Buffer | undefined;
  #closing = false;
  #usedAt = performance.now();
  #goneListener: (() => void) | undefined;

  constructor(socket: Socket, options: DirectLaneOptions, leave: (left: DirectConnection) => void) {
    this.#socket = socket;
    this.#options = options;
    this.#leave = leave;
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("close", this.#onClose);
    socket.on("error", this.#onError);
    socket.on("timeout", this.#onTimeout);
    socket.setTimeout(options.firstMs);
  }

  get gone(): boolean {
    return this.#socket.destroyed;
  }

  onceGone(listener: () => void): void {
    this.#goneListener = listener;
  }

  offGone(): void {
    this.#goneListener = undefined;
  }

  closeWhenIdle(): void {
    this.#closing = true;
    if (!this.#request) this.#socket.destroy();
  }

  closeIfUnusedSince(moment: number): void {
    if (!this.#request && this.#usedAt < moment) this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#request) {
      this.#early = this.#early ? Buffer.concat([this.#early, chunk]) : chunk;
      this.#socket.pause();
      return;
    }
    const message = readWholeMessage(chunk);
    if (!message) {
      this.#handOver(chunk);
      return;
    }
    const request: DirectRequest = {
      message,
      caller: this,
      reply: (reply, requestId) => this.#reply(request, reply, requestId),
      onOver: undefined,
    };
    this.#request = request;
    this.#options.serve(request);
  };

  #reply(request: DirectRequest, reply: Reply, requestId: string): void {
    if (this.#socket.destroyed) return;
    if (this.#options.endsConnections()) this.#closing = true;
    const [head, body] = formatReply(reply, requestId, this.#closing);
    const sent = (error?: Error | null) => {
      // One that failed is over when the connection closes, as not sent.
      if (!error) this.#over(request);
    };
    if (body === undefined) this.#socket.write(head, "latin1", sent);
    else {
      this.#socket.cork();
      this.#socket.write(head, "latin1");
      this.#socket.write(body, sent);
      this.#socket.uncork();
    }
  }

  #over(request: DirectRequest): void {
    this.#request = undefined;
    this.#goneListener = undefined;
    this.#usedAt = performance.now();
    request.onOver?.(true);
    if (this.#closing) {
      this.#socket.end();
      return;
    }
    const early = this.#early;
    this.#early = undefined;
    if (early) this.#handOver(early);
    else if (this.#socket.timeout !== this.#options.keepAliveMs) this.#socket.setTimeout(this.#options.keepAliveMs);
  }

  #handOver(chunk: Buffer): void {
    const socket = this.#socket;
    this.#leave(this);
    socket.off("data", this.#onData);
    socket.off("end", this.#onEnd);
    socket.off("close", this.#onClose);
    socket.off("error", this.#onError);
    socket.off("timeout", this.#onTimeout);
    socket.setTimeout(0);
    // Paused, so that nothing is read between this lane's last listener and the server's first.
    socket.pause();
    socket.unshift(chunk);
    this.#options.handOver(socket);
    socket.resume();
  }

  /** A caller that ends its side has left, as for Node's server: nobody tells a half-closed connection from that. */
  readonly #onEnd = (): void => {
    this.#socket.destroy();
  };

  readonly #onClose = (): void => {
    this.#leave(this);
    const request = this.#request;
    this.#request = undefined;
    this.#goneListener?.();
    request?.onOver?.(false);
  };

  /** A connection that breaks is closed by Node right after; there is nobody left to tell. */
  readonly #onError = (): void => undefined;

  readonly #onTimeout = (): void => {
    if (!this.#request) this.#socket.destroy();
  };
}
