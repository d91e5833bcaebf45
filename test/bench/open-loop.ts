/**
 * An open-loop load generator: requests are sent when they are due, however the server is doing, and each latency counts
 * from the moment at which the request *should* have been sent. A closed loop waits for the server and so offers less
 * the slower it gets; it cannot show what overload does ("coordinated omission", Tene 2013).
 *
 * Nothing is skipped: a request that finds no free connection waits for one, and that wait counts. It runs as a process
 * of its own and says how late it was itself, so that a saturated generator is not taken for a saturated server.
 */
import { connect, type Socket } from "node:net";
import { argv } from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { ArrivalTimes, arrivalProcess } from "./arrivals.ts";
import { ResponseReader } from "./response-reader.ts";

export const openLoopSettings = z.object({
  port: z.int(),
  streams: z.array(
    z.object({
      label: z.string(),
      /** The whole request, head and body, in base64. */
      request: z.string(),
      arrivals: arrivalProcess,
      /** An answer later than this after the intended time counts for nothing. */
      deadlineMs: z.number().positive(),
    }),
  ),
  /** Connections of each stream at the most, so that one does not wait for another's; they are opened as needed. */
  connections: z.int().min(1),
  warmUpMs: z.number().min(0),
  measureMs: z.number().positive(),
  seed: z.int(),
});
export type OpenLoopSettings = z.infer<typeof openLoopSettings>;

const quantiles = z.object({ p50: z.number(), p99: z.number(), p999: z.number() });
export type Quantiles = z.infer<typeof quantiles>;

export const streamResult = z.object({
  label: z.string(),
  /** Requests that were due in the time measured. */
  offered: z.int(),
  offeredPerSecond: z.number(),
  /** Answered 200 inside the deadline, a second. */
  goodputPerSecond: z.number(),
  /** How many were answered with each status; `lost` ones never. */
  statuses: z.record(z.string(), z.int()),
  /** Answered 200, too late. */
  late: z.int(),
  lost: z.int(),
  /** Of all answers 200, from the intended time, in milliseconds. */
  latencyMs: quantiles,
  /** Of all other answers, from the intended time and from the moment of writing. */
  refusalMs: quantiles,
  refusalAfterWriteMs: quantiles,
});
export type StreamResult = z.infer<typeof streamResult>;

export const openLoopResult = z.object({
  streams: z.array(streamResult),
  /** How long after its intended time a request was written although a connection was free, in milliseconds. */
  generatorLateMs: quantiles,
});
export type OpenLoopResult = z.infer<typeof openLoopResult>;

/** Time after the last request's deadline in which its answer is still waited for. */
const PATIENCE_MS = 5_000;

interface Request {
  readonly stream: Stream;
  readonly intended: number;
  readonly measured: boolean;
  writtenAt: number;
}

class Stream {
  readonly label: string;
  readonly bytes: Buffer;
  readonly deadlineMs: number;
  readonly arrivals: ArrivalTimes;
  readonly statuses: Record<string, number> = {};
  readonly latencies: number[] = [];
  readonly refusals: number[] = [];
  readonly refusalsAfterWrite: number[] = [];
  offered = 0;
  good = 0;
  late = 0;
  answered = 0;

  constructor(settings: OpenLoopSettings["streams"][number], startAt: number, seed: number) {
    this.label = settings.label;
    this.bytes = Buffer.from(settings.request, "base64");
    this.deadlineMs = settings.deadlineMs;
    this.arrivals = new ArrivalTimes(settings.arrivals, startAt, seed);
  }

  ended(request: Request, status: number, now: number): void {
    if (!request.measured) return;
    this.answered++;
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    const latency = now - request.intended;
    if (status === 200) {
      this.latencies.push(latency);
      if (latency <= this.deadlineMs) this.good++;
      else this.late++;
    } else {
      this.refusals.push(latency);
      this.refusalsAfterWrite.push(now - request.writtenAt);
    }
  }

  result(seconds: number): StreamResult {
    const { label, offered, statuses, late } = this;
    return {
      label,
      offered,
      offeredPerSecond: offered / seconds,
      goodputPerSecond: this.good / seconds,
      statuses,
      late,
      lost: offered - this.answered,
      latencyMs: quantilesOf(this.latencies),
      refusalMs: quantilesOf(this.refusals),
      refusalAfterWriteMs: quantilesOf(this.refusalsAfterWrite),
    };
  }
}

/** Offers the load and resolves when every answer is in, or given up. */
export async function offerLoad(settings: OpenLoopSettings): Promise<OpenLoopResult> {
  const startedAt = performance.now() + 50;
  const measureFrom = startedAt + settings.warmUpMs;
  const measureTo = measureFrom + settings.measureMs;
  const streams = settings.streams.map((stream, index) => new Stream(stream, startedAt, settings.seed + index));
  const lateness: number[] = [];
  const onWrite = (request: Request, wasFree: boolean) => {
    if (wasFree && request.measured) lateness.push(request.writtenAt - request.intended);
  };
  const open = new Map(
    streams.map((stream) => [stream, new Connections(settings.port, settings.connections, onWrite)]),
  );
  await new Promise<void>((resolve) => {
    const tick = () => {
      const now = performance.now();
      for (const stream of streams) {
        while (stream.arrivals.next <= now && stream.arrivals.next < measureTo) {
          const intended = stream.arrivals.next;
          const measured = intended >= measureFrom;
          if (measured) stream.offered++;
          open.get(stream)?.send({ stream, intended, measured, writtenAt: 0 });
          stream.arrivals.advance();
        }
      }
      if (now < measureTo) setTimeout(tick, 1);
      else resolve();
    };
    tick();
  });
  const longest = Math.max(...streams.map((stream) => stream.deadlineMs));
  const giveUpAt = performance.now() + longest + PATIENCE_MS;
  const all = [...open.values()];
  while (all.some(({ outstanding }) => outstanding > 0) && performance.now() < giveUpAt) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  for (const connections of all) connections.close();
  const seconds = settings.measureMs / 1000;
  return { streams: streams.map((stream) => stream.result(seconds)), generatorLateMs: quantilesOf(lateness) };
}

class Connections {
  readonly #port: number;
  readonly #most: number;
  readonly #onWrite: (request: Request, wasFree: boolean) => void;
  readonly #free: Connection[] = [];
  readonly #all = new Set<Connection>();
  readonly #waiting: Request[] = [];
  #head = 0;
  #inFlight = 0;
  #closing = false;

  constructor(port: number, most: number, onWrite: (request: Request, wasFree: boolean) => void) {
    this.#port = port;
    this.#most = most;
    this.#onWrite = onWrite;
  }

  get outstanding(): number {
    return this.#inFlight + this.#waiting.length - this.#head;
  }

  send(request: Request): void {
    const connection = this.#free.pop();
    if (connection) this.#write(connection, request, true);
    else {
      this.#waiting.push(request);
      if (this.#all.size < this.#most) this.#open();
    }
  }

  close(): void {
    this.#closing = true;
    for (const connection of this.#all) connection.socket.destroy();
  }

  #open(): void {
    const socket = connect({ port: this.#port, host: "127.0.0.1", noDelay: true });
    const connection: Connection = { socket, reader: new ResponseReader(), request: undefined };
    this.#all.add(connection);
    socket.on("connect", () => this.#next(connection));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#all.delete(connection);
      const at = this.#free.indexOf(connection);
      if (at >= 0) this.#free.splice(at, 1);
      if (connection.request) this.#inFlight--;
      if (!this.#closing && this.#waiting.length > this.#head) this.#open();
    });
    socket.on("data", (chunk: Buffer) => {
      const status = connection.reader.read(chunk);
      if (status === undefined) return;
      const { request } = connection;
      connection.request = undefined;
      if (request) {
        this.#inFlight--;
        request.stream.ended(request, status, performance.now());
      }
      this.#next(connection);
    });
  }

  #next(connection: Connection): void {
    const request = this.#waiting[this.#head];
    if (!request) {
      this.#free.push(connection);
      return;
    }
    this.#head++;
    if (this.#head > 1024) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    this.#write(connection, request, false);
  }

  #write(connection: Connection, request: Request, wasFree: boolean): void {
    connection.request = request;
    this.#inFlight++;
    request.writtenAt = performance.now();
    this.#onWrite(request, wasFree);
    connection.socket.write(request.stream.bytes);
  }
}

interface Connection {
  readonly socket: Socket;
  readonly reader: ResponseReader;
  request: Request | undefined;
}

function quantilesOf(values: readonly number[]): Quantiles {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const settings = openLoopSettings.parse(JSON.parse(await text(process.stdin)));
  process.stdout.write(`${JSON.stringify(await offerLoad(settings))}\n`);
}
