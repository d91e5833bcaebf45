/**
 * Thousands of requests that mean no good, to the edge and to a pool that takes unsigned ones: each is refused or answered, none of them
 * brings anything down, is a failure of ours, shows anything of the inside or leaves memory behind.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
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
import { type Figure, figure, type ScenarioResult, type ScenarioSettings } from "./scenario.ts";

export interface HostileFlood extends ScenarioSettings {
  /** Half of them to the edge, half to the pool. */
  readonly requests: number;
}

const MODELS = ["identity_fp32", "identity_string"];
const AT_ONCE = 16;
/** Of the whole, before memory is looked at for the first time: until then caches fill and the runtime lets its heap grow. */
const WARM_SHARE = 0.5;
const MIB = 1_024 * 1_024;
/** Growth from then on that says nothing: heaps breathe. */
const MOST_GROWTH_MIB = 64;
const MOST_TOLD = 10;
/** Changes after which bytes may be no HTTP any more, so that a server may end the connection without a word. */
const NO_HTTP = /framing|header|address|method|version|line/;

const errorSchema = z.looseObject({ request_id: z.string() });

interface Target {
  readonly name: string;
  readonly port: number;
  readonly pid: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

export async function hostileFlood({ seed, tell, requests }: HostileFlood): Promise<ScenarioResult> {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-hostile-"));
  linkModels(folder, ...MODELS.map((model) => join(TEST_MODELS.basic, model)));
  const pool = await startPool({ models: [folder] });
  const stand = await FaultStand.start({ models: [folder], seed });
  try {
    await stand.realNode("node-1");
    const { pid } = pool.serving;
    const targets: Target[] = [
      {
        ...{ name: "edge", port: Number(new URL(stand.edgeUrl).port), pid: ownChildren("workerd").at(-1) },
        headers: { authorization: `Bearer ${stand.keyOf("acme")}` },
      },
      { name: "pool", port: pool.serving.port, pid, headers: {} },
    ];
    const broken: string[] = [];
    const figures: Figure[] = [];
    for (const [index, target] of targets.entries()) {
      const told = await flood(target, seed + index, Math.floor(requests / targets.length), tell);
      broken.push(...told.broken);
      figures.push(...told.figures);
    }
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
    await pool.stop();
    await stand.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function flood(target: Target, seed: number, requests: number, tell: (line: string) => void) {
  const hostile = new HostileRequests(seed, target.headers);
  const broken: string[] = [];
  const statuses: Record<string, number> = {};
  let wrong = 0;
  let sent = 0;
  let before: number | undefined;
  const send = async () => {
    while (sent < requests) {
      sent++;
      if (before === undefined && sent >= WARM_SHARE * requests) before = memoryOf(target);
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
  const after = memoryOf(target);
  tell(`${target.name}: ${JSON.stringify(statuses)}`);
  const grown = before === undefined || after === undefined ? 0 : (after - before) / MIB;
  return {
    broken,
    figures: [
      figure(`${target.name}: neither 2xx nor 4xx, or no reply at all`, wrong, { digits: 0, most: 0 }),
      figure(`${target.name}: memory`, (after ?? 0) / MIB, { unit: "MiB", digits: 0 }),
      figure(`${target.name}: memory grown since warm`, grown, { unit: "MiB", digits: 0, most: MOST_GROWTH_MIB }),
    ],
  };
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

function memoryOf({ pid }: Target): number | undefined {
  return pid === undefined ? undefined : residentBytes(pid);
}
