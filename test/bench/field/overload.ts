/** The open-loop part: answers inside the deadline a second, at multiples of what the subject itself was measured to do. */
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { type OpenLoopResult, type OpenLoopSettings, openLoopResult } from "../open-loop.ts";
import type { RunningSubject } from "../subjects.ts";

/** More than any subject has in work at its deadline; the rest waits in the generator, and that wait counts. */
const CONNECTIONS = 512;
const WARM_UP_MS = 1_500;
/** It waits some seconds for the last answers. */
const GENERATOR_ENDS_WITHIN_MS = 30_000;

export interface OverloadPoint {
  /** Offered load over the subject's own capacity. */
  readonly factor: number;
  readonly offeredPerSecond: number;
  readonly goodputPerSecond: number;
  /** Goodput over capacity. */
  readonly share: number;
  readonly p50Ms: number;
  /** Of all answers 200, late ones too, from the moment at which the request was due. */
  readonly p99Ms: number;
  /** Requests by how they ended, as shares of what was offered. */
  readonly refused: number;
  readonly late: number;
  readonly lost: number;
  /** How late the generator itself wrote, p99: far from zero, the point says little of the subject. */
  readonly generatorLateP99Ms: number;
}

export interface OverloadSettings {
  readonly deadlineMs: number;
  readonly capacity: number;
  readonly factor: number;
  readonly measureMs: number;
  readonly seed: number;
}

export async function overload(
  { port }: RunningSubject,
  label: string,
  request: Buffer,
  { deadlineMs, capacity, factor, measureMs, seed }: OverloadSettings,
): Promise<OverloadPoint> {
  const arrivals = { kind: "poisson", perSecond: capacity * factor } as const;
  const { streams, generatorLateMs } = await offer({
    port,
    streams: [{ label, request: request.toString("base64"), arrivals, deadlineMs }],
    connections: CONNECTIONS,
    warmUpMs: WARM_UP_MS,
    measureMs,
    seed,
  });
  const [stream] = streams;
  if (stream === undefined) throw new Error("the load generator reported no stream");
  const shareOf = (count: number) => count / Math.max(1, stream.offered);
  const answered = Object.values(stream.statuses).reduce((sum, count) => sum + count, 0);
  return {
    factor,
    offeredPerSecond: stream.offeredPerSecond,
    goodputPerSecond: stream.goodputPerSecond,
    share: stream.goodputPerSecond / capacity,
    p50Ms: stream.latencyMs.p50,
    p99Ms: stream.latencyMs.p99,
    refused: shareOf(answered - (stream.statuses["200"] ?? 0)),
    late: shareOf(stream.late),
    lost: shareOf(stream.lost),
    generatorLateP99Ms: generatorLateMs.p99,
  };
}

/** @throws Error when the generator gives up, or does not end long after the load has */
async function offer(settings: OpenLoopSettings): Promise<OpenLoopResult> {
  const file = fileURLToPath(new URL("../open-loop.ts", import.meta.url));
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", file], {
    stdio: ["pipe", "pipe", "inherit"],
    timeout: settings.warmUpMs + settings.measureMs + GENERATOR_ENDS_WITHIN_MS,
    killSignal: "SIGKILL",
  });
  const ended = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  child.stdin.end(JSON.stringify(settings));
  const printed = await text(child.stdout);
  const code = await ended;
  if (code !== 0) throw new Error(`the load generator ended with ${code ?? "a signal"}`);
  return openLoopResult.parse(JSON.parse(printed));
}
