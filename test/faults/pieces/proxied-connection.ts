/**
 * One connection through the fault proxy. It knows of HTTP only that requests and replies take turns: bytes of the edge after bytes
 * of the node begin the next request, for which it is drawn anew whether the fault strikes.
 */
import { connect, type Socket } from "node:net";
import { stableFraction, stableHash } from "../../../shared/control/routing/stable-hash.ts";
import { seededRandom } from "../../bench/arrivals.ts";
import { type Direction, type Fault, type FaultInForce, LINK_BUFFER_BYTES } from "./fault.ts";
import { type Pace, PacedPipe } from "./paced-pipe.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ProxyCounters {
  connections: number;
  bytesToNode: number;
  bytesToEdge: number;
  /** Requests, and connections without one, that a fault was done to. */
  faults: number;
}

export interface ConnectionOptions {
  readonly edge: Socket;
  readonly target: Address | undefined;
  readonly number: number;
  readonly seed: number;
  readonly inForce: () => FaultInForce | undefined;
  readonly counters: ProxyCounters;
}

/** `cut`: the rest of the reply is not passed on. `black`: nothing is, either way. */
type Course = "passing" | "cut" | "black";

/** Between bytes and the RST that follows them: who is told of both at once may take the RST for an end in order, as libuv does. */
const APART_MS = 10;
const NO_DELAY = () => 0;
const PLAIN: Pace = { delayMs: NO_DELAY, bytesPerSecond: Number.POSITIVE_INFINITY, mostHeld: LINK_BUFFER_BYTES };

export class ProxiedConnection {
  readonly #options: ConnectionOptions;
  readonly #random: () => number;
  #node: Socket | undefined;
  #toNode: PacedPipe | undefined;
  #toEdge: PacedPipe | undefined;
  #course: Course = "passing";
  #request = 0;
  #nodeSpokeLast = false;
  #replied = 0;
  /** The last request that a fault was counted for. */
  #counted = "";

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { edge, target, seed, number, counters } = options;
    this.#random = seededRandom(stableHash(`${seed}/${number}`));
    counters.connections++;
    edge.on("error", () => undefined);
    edge.on("close", () => this.#over());
    const fault = this.#fault();
    if (target === undefined) reset(edge);
    else if (fault?.kind === "reset" && fault.when === "connect") this.reset();
    else if (fault?.kind === "blackhole") this.#swallow();
    else this.#open(target);
    edge.on("data", (chunk: Buffer) => this.#fromEdge(chunk));
    edge.on("end", () => this.#edgeEnded());
  }

  /** RST to both sides. */
  reset(): void {
    this.#struck();
    if (this.#node) reset(this.#node);
    reset(this.#options.edge);
  }

  /** To be called when another fault, or none, is in force. */
  faultChanged(): void {
    this.#toNode?.paceChanged();
    this.#toEdge?.paceChanged();
  }

  close(): void {
    this.#options.edge.destroy();
    this.#over();
  }

  #open({ host, port }: Address): void {
    const { edge, counters } = this.#options;
    const node = connect({ host, port, noDelay: true, allowHalfOpen: true });
    const toNode = new PacedPipe(
      edge,
      node,
      () => this.#pace("request"),
      (bytes) => (counters.bytesToNode += bytes),
    );
    const toEdge = new PacedPipe(
      node,
      edge,
      () => this.#pace("response"),
      (bytes) => (counters.bytesToEdge += bytes),
    );
    node.on("error", () => undefined);
    node.on("data", (chunk: Buffer) => this.#fromNode(chunk, node, toEdge));
    node.on("end", () => {
      if (this.#course === "passing") toEdge.after(() => edge.end());
    });
    node.on("close", (failed) => {
      if (failed && this.#course === "passing") toEdge.after(() => reset(edge));
    });
    this.#node = node;
    this.#toNode = toNode;
    this.#toEdge = toEdge;
  }

  #fromEdge(chunk: Buffer): void {
    if (this.#nodeSpokeLast) {
      this.#request++;
      this.#replied = 0;
    }
    this.#nodeSpokeLast = false;
    const fault = this.#fault();
    if (fault?.kind === "blackhole") this.#swallow();
    if (this.#course === "black") return;
    this.#pass("request", chunk, fault);
    if (fault?.kind === "halfClose" && concerns(fault, "request")) {
      this.#struck();
      this.#toNode?.after(() => this.#node?.end());
    }
  }

  #fromNode(chunk: Buffer, node: Socket, toEdge: PacedPipe): void {
    this.#nodeSpokeLast = true;
    const fault = this.#fault();
    if (fault?.kind === "blackhole") this.#swallow();
    if (this.#course !== "passing") return;
    const { edge } = this.#options;
    if (fault?.kind === "halfClose" && concerns(fault, "response")) {
      this.#cut();
      toEdge.after(() => edge.end());
    } else if (fault?.kind === "reset" && fault.when === "afterRequest") {
      this.#cut();
      this.reset();
    } else if (fault?.kind === "truncate" || (fault?.kind === "reset" && fault.when === "afterBytes")) {
      const left = Math.max(0, fault.bytes - this.#replied);
      this.#replied += chunk.length;
      toEdge.push(chunk.subarray(0, left));
      if (chunk.length < left) return;
      this.#cut();
      if (fault.kind === "reset") toEdge.after(() => void setTimeout(() => this.reset(), APART_MS));
      else
        toEdge.after(() => {
          edge.end();
          node.destroy();
        });
    } else this.#pass("response", chunk, fault);
  }

  #pass(direction: Direction, chunk: Buffer, fault: Fault | undefined): void {
    const pipe = direction === "request" ? this.#toNode : this.#toEdge;
    const strikes = fault !== undefined && concerns(fault, direction) && fault.kind !== "halfClose";
    if (!strikes || (fault.kind === "corrupt" && this.#random() >= fault.probability)) {
      pipe?.push(chunk);
      return;
    }
    this.#struck();
    pipe?.push(fault.kind === "corrupt" ? this.#corrupted(chunk) : chunk);
  }

  #corrupted(chunk: Buffer): Buffer {
    const corrupted = Buffer.from(chunk);
    const at = Math.floor(this.#random() * corrupted.length);
    corrupted[at] = (corrupted[at] ?? 0) ^ (1 + Math.floor(this.#random() * 255));
    return corrupted;
  }

  #pace(direction: Direction): Pace {
    const fault = this.#fault();
    if (fault === undefined || !concerns(fault, direction)) return PLAIN;
    switch (fault.kind) {
      case "latency":
        return { ...PLAIN, delayMs: () => Math.max(0, fault.ms + (2 * this.#random() - 1) * fault.jitterMs) };
      case "bandwidth":
        return { ...PLAIN, bytesPerSecond: fault.bytesPerSecond };
      case "slowRead":
        return { ...PLAIN, bytesPerSecond: fault.bytesPerSecond, mostHeld: 0 };
      default:
        return PLAIN;
    }
  }

  /** Drawn from the seed, the fault, the connection and the request alone: a run with the same ones has the same faults. */
  #fault(): Fault | undefined {
    const inForce = this.#options.inForce();
    if (!inForce) return undefined;
    return stableFraction(this.#place(inForce)) < inForce.probability ? inForce.fault : undefined;
  }

  #place({ number }: FaultInForce): string {
    return `${this.#options.seed}/${number}/${this.#options.number}/${this.#request}`;
  }

  #struck(): void {
    const inForce = this.#options.inForce();
    const place = inForce ? this.#place(inForce) : this.#counted;
    if (place !== this.#counted) this.#options.counters.faults++;
    this.#counted = place;
  }

  #cut(): void {
    this.#struck();
    this.#course = "cut";
  }

  /** From now on bytes of both sides are read and dropped; the node is not told, as it would not be by a network. */
  #swallow(): void {
    if (this.#course === "black") return;
    this.#struck();
    this.#course = "black";
    this.#toNode?.close();
    this.#toEdge?.close();
    this.#options.edge.resume();
    this.#node?.resume();
  }

  #edgeEnded(): void {
    if (this.#course === "black") this.#options.edge.destroy();
    else this.#toNode?.after(() => this.#node?.end());
  }

  #over(): void {
    this.#toNode?.close();
    this.#toEdge?.close();
    this.#node?.destroy();
  }
}

function concerns(fault: Fault, direction: Direction): boolean {
  return "direction" in fault && (fault.direction === direction || fault.direction === "both");
}

/** RST, and nothing before it: Node would end its side in order first, and many would take that for the end. */
function reset(socket: Socket): void {
  socket.destroySoon = () => void socket.destroy();
  socket.resetAndDestroy();
}
