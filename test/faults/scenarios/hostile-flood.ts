/**
 * Thousands of requests that mean no good, to the edge and to a pool that takes unsigned ones: each is refused or answered, none of them
 * brings anything down, is a failure of ours, shows anything of the inside or leaves memory behind.
 *
 * Of the edge it is the isolate's heap that must not grow. The process around it does, and workerd's memory is not ours: a Worker that only
 * reads what it is sent gets a share of the same flood, so that the two can be compared.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { freePorts } from "../../../infra/cli/ports.ts";
import { serveWorker } from "../../../infra/workerd/worker-server.ts";
import { linkModels, startPool, TEST_MODELS } from "../../support/pool.ts";
import { account } from "../../support/pool-metrics.ts";
import { until } from "../../support/until.ts";
import { brokenInErrorReply } from "../pieces/error-reply-check.ts";
import { FaultStand } from "../pieces/fault-stand.ts";
import { type HostileReply, hostileExchange } from "../pieces/hostile-exchange.ts";
import { type HostileRequest, HostileRequests } from "../pieces/hostile-requests.ts";
import { jsonContent } from "../pieces/json-content.ts";
import { ownChildren, residentBytes } from "../pieces/process-memory.ts";
import { toldIn } from "../pieces/told.ts";
import { WorkerHeap } from "../pieces/worker-heap.ts";
import { type Figure, figure, type ScenarioResult, type ScenarioSettings } from "./scenario.ts";

export interface HostileFlood extends ScenarioSettings {
  /** Half of them to the edge, half to the pool. */
  readonly requests: number;
}

const MODELS = ["identity_fp32", "identity_string"];
const EDGE = "warmgate-edge";
const READING_WORKER = join(import.meta.dirname, "..", "pieces", "reading-worker.js");
const AT_ONCE = 16;
/** Of the whole, before memory is looked at for the first time: until then caches fill and the runtime lets its heap grow. */
const WARM_SHARE = 0.5;
const MIB = 1_024 * 1_024;
/** Growth from then on that says nothing: heaps breathe. */
const MOST_GROWTH_MIB = 64;
const MOST_HEAP_GROWTH_MIB = 1;
/** Of the requests to the edge, how many the Worker gets that it is compared with. */
const CONTROL_SHARE = 0.2;
const MOST_TOLD = 10;
/** Changes after which bytes may be no HTTP any more, so that a server may end the connection without a word. */
const NO_HTTP = /framing|header|address|method|version|line/;

const errorSchema = z.looseObject({ request_id: z.string() });

interface Target {
  readonly name: string;
  readonly port: number;
  readonly pid: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly heap?: WorkerHeap;
}

interface Flooded {
  readonly broken: readonly string[];
  /** Requests that were neither refused nor answered. */
  readonly wrong: number;
  /** Resident bytes of the process: at first, when it was warm, and in the end. */
  readonly resident: readonly [first: number, warm: number, last: number];
  /** Bytes that the isolate keeps, when it is warm and in the end; 0 where there is none. */
  readonly kept: readonly [warm: number, last: number];
}

export async function hostileFlood({ seed, tell, requests }: HostileFlood): Promise<ScenarioResult> {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-hostile-"));
  linkModels(folder, ...MODELS.map((model) => join(TEST_MODELS.basic, model)));
  const pool = await startPool({ models: [folder] });
  const [inspectorPort = 0] = await freePorts(1);
  const stand = await FaultStand.start({ models: [folder], seed, inspectorPort });
  const heap = await WorkerHeap.open(EDGE, inspectorPort);
  try {
    await stand.realNode("node-1");
    const { pid } = pool.serving;
    const half = Math.floor(requests / 2);
    const edge: Target = {
      ...{ name: "edge", port: Number(new URL(stand.edgeUrl).port), pid: ownChildren("workerd").at(-1) },
      headers: { authorization: `Bearer ${stand.keyOf("acme")}` },
      heap,
    };
    const told = await flood(edge, seed, half, tell);
    const control = await controlGrowth(seed, Math.ceil(CONTROL_SHARE * half));
    const served = await flood({ name: "pool", port: pool.serving.port, pid, headers: {} }, seed + 1, half, tell);
    const figures = [
      wrongs("edge", told),
      figure("edge: what the isolate keeps", told.kept[1] / MIB, { unit: "MiB", digits: 1 }),
      figure("edge: what the isolate keeps, grown since warm", (told.kept[1] - told.kept[0]) / MIB, {
        unit: "MiB",
        most: MOST_HEAP_GROWTH_MIB,
      }),
      figure("edge: process, for each request", growthEach(told, half), { unit: "KiB", digits: 1 }),
      figure("a Worker that only reads: process, for each request", control, { unit: "KiB", digits: 1 }),
      wrongs("pool", served),
      figure("pool: memory", served.resident[2] / MIB, { unit: "MiB", digits: 0 }),
      figure("pool: memory grown since warm", (served.resident[2] - served.resident[1]) / MIB, {
        unit: "MiB",
        digits: 0,
        most: MOST_GROWTH_MIB,
      }),
    ];
    const broken = [...told.broken, ...served.broken];
    if (toldIn(await stand.ask()) !== "200") broken.push("I5: the edge does not answer any more");
    if (pool.serving.pid !== pid) broken.push("I5: the pool's process was replaced");
    const settled = await until("the pool to be idle", async () => {
      const now = await account(pool);
      return now.inFlight === 0 && now;
    });
    const outcomes = settled.ok + settled.rejected + settled.failed + settled.cancelled;
    if (settled.received !== outcomes)
      broken.push(`I6: the pool received ${settled.received}, and tells of ${outcomes}`);
    if (settled.failed > 0) broken.push(`I4: ${settled.failed} requests failed in the pool`);
    broken.push(...(await stand.broken()));
    return { figures, broken };
  } finally {
    heap.close();
    await pool.stop();
    await stand.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function flood(target: Target, seed: number, requests: number, tell: (line: string) => void): Promise<Flooded> {
  const hostile = new HostileRequests(seed, target.headers);
  const broken: string[] = [];
  const statuses: Record<string, number> = {};
  let wrong = 0;
  let sent = 0;
  const first = memoryOf(target);
  let warm = first;
  let warmHeap = 0;
  const send = async () => {
    while (sent < requests) {
      sent++;
      if (sent === Math.ceil(WARM_SHARE * requests)) {
        warm = memoryOf(target);
        warmHeap = await keptBy(target);
      }
      const request = hostile.next();
      const reply = await hostileExchange(target.port, request.bytes);
      const told = reply.kind === "replied" ? String(reply.status) : reply.kind;
      statuses[told] = (statuses[told] ?? 0) + 1;
      const problems = brokenIn(reply, request);
      if (problems.length > 0) wrong++;
      if (broken.length < MOST_TOLD) broken.push(...problems.map((problem) => `${target.name}: ${problem}`));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, send));
  tell(`${target.name}: ${JSON.stringify(statuses)}`);
  const kept = [warmHeap, await keptBy(target)] as const;
  return { broken, wrong, resident: [first, warm, memoryOf(target)], kept };
}

function wrongs(name: string, { wrong }: Flooded): Figure {
  return figure(`${name}: neither 2xx nor 4xx, or no reply at all`, wrong, { digits: 0, most: 0 });
}

/** KiB. */
function growthEach({ resident: [first, , last] }: Flooded, requests: number): number {
  return (last - first) / 1_024 / requests;
}

/** KiB that the process of a Worker grows by for each request, which does nothing but read it. */
async function controlGrowth(seed: number, requests: number): Promise<number> {
  const [port = 0] = await freePorts(1);
  const server = await serveWorker({
    ...{ name: "reading", entry: READING_WORKER, host: "127.0.0.1", port, log: () => undefined },
    worker: { compatibilityDate: "2026-11-01" },
  });
  try {
    const target = { name: "control", port, pid: ownChildren("workerd").at(-1), headers: {} };
    return growthEach(await flood(target, seed, requests, () => undefined), requests);
  } finally {
    await server.dispose();
  }
}

function brokenIn(reply: HostileReply, { why }: HostileRequest): string[] {
  if (reply.kind === "hung") return [`I1: nothing came where ${why}`];
  if (reply.kind === "ended") return NO_HTTP.test(why) ? [] : [`I1: the connection was ended where ${why}`];
  const { status, headers, body } = reply;
  // RFC 9110, 9.1: the runtime below the edge says so of a method that it does not know.
  if (status === 501 && why.includes("method")) return [];
  if (status >= 500) return [`I4: ${status} where ${why}: ${body.slice(0, 200)}`];
  // What is no HTTP is refused by the runtime below us, in its own words.
  const isOurs = status >= 400 && body !== "" && headers["content-type"] === "application/json";
  if (!isOurs) return [];
  const id = errorSchema.safeParse(jsonContent(body)).data?.request_id ?? "";
  return brokenInErrorReply({ kind: "answered", status, headers, body, answeredAt: 0 }, id, `a request where ${why}`);
}

function memoryOf({ pid }: Target): number {
  return (pid === undefined ? undefined : residentBytes(pid)) ?? Number.NaN;
}

async function keptBy({ heap }: Target): Promise<number> {
  return (await heap?.keptBytes()) ?? 0;
}
