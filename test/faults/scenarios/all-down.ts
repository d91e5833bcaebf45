/**
 * All nodes are killed, stay away for a while and come back: meanwhile every request is refused quickly and says when to come back, and
 * afterwards nobody waits for long, and the nodes are not run over by those who waited.
 */
import { setTimeout as delay } from "node:timers/promises";
import { scrape } from "../../support/pool-metrics.ts";
import type { ClientRecord } from "../pieces/client-record.ts";
import { FaultStand } from "../pieces/fault-stand.ts";
import type { RealNode } from "../pieces/real-node.ts";
import { SLOW_IDENTITY, slowIdentityFolder } from "../pieces/slow-identity.ts";
import { tally } from "../pieces/told.ts";
import {
  figure,
  isAnsweredInTime,
  quantile,
  refusedMs,
  type ScenarioResult,
  type ScenarioSettings,
} from "./scenario.ts";

export interface AllDown extends ScenarioSettings {
  readonly nodes: number;
  readonly downMs: number;
  readonly perSecond: number;
}

const LAYERS = 30;
const DEADLINE_MS = 1_000;
const STEADY_MS = 4_000;
const WATCHED_MS = 12_000;
/** How soon a live node is to be asked again: twice the second in which the edge looks at its nodes anew. */
const RECOVERY_MS = 2_000;
const SLICE_MS = 500;

export async function allDown({ seed, tell, nodes: count, downMs, perSecond }: AllDown): Promise<ScenarioResult> {
  const models = slowIdentityFolder(LAYERS);
  const stand = await FaultStand.start({ models: [models.path], seed });
  try {
    const names = Array.from({ length: count }, (_, index) => `node-${index + 1}`);
    const nodes = await Promise.all(names.map((name) => stand.realNode(name)));
    const clients = stand.traffic({ perSecond, deadlineMs: DEADLINE_MS, models: [SLOW_IDENTITY] });
    const steady = await mostReceived(nodes, STEADY_MS);
    const downAt = performance.now();
    await Promise.all(nodes.map((node) => node.kill()));
    await delay(downMs);
    await Promise.all(nodes.map((node) => node.startAgain()));
    const backAt = performance.now();
    const peak = await mostReceived(nodes, WATCHED_MS);
    const records = await clients.stop();
    tell(JSON.stringify(tally(records)));
    const down = records.filter(({ sentAt }) => sentAt > downAt + DEADLINE_MS && sentAt < backAt - DEADLINE_MS);
    const back = records.filter(({ sentAt }) => sentAt > backAt);
    return {
      figures: [
        figure("refused while all were down, p50", quantile(refusedMs(down), 0.5), {
          unit: "ms",
          digits: 1,
          most: 50,
        }),
        figure("refused while all were down, p99", quantile(refusedMs(down), 0.99), { unit: "ms", digits: 1 }),
        figure("last refusal after their return", lastRefusalMs(back, backAt) / 1_000, {
          unit: "s",
          most: RECOVERY_MS / 1_000,
        }),
        figure("most that came in half a second, of the most before", peak / steady, { most: 1.5 }),
      ],
      broken: await stand.broken(),
    };
  } finally {
    await stand.stop();
    models.remove();
  }
}

function lastRefusalMs(records: readonly ClientRecord[], backAt: number): number {
  const refused = records.filter((record) => !isAnsweredInTime(record));
  return Math.max(0, ...refused.map(({ sentAt }) => sentAt - backAt));
}

/** The most requests that all nodes together received in any slice of a stretch of time. */
async function mostReceived(nodes: readonly RealNode[], forMs: number): Promise<number> {
  const receivedByAll = async () => {
    const counts = await Promise.all(
      nodes.map(async ({ pool }) => (await scrape(pool)).get("warmgate_pool_requests_received_total") ?? 0),
    );
    return counts.reduce((sum, received) => sum + received, 0);
  };
  const endsAt = performance.now() + forMs;
  let most = 0;
  let before = { at: performance.now(), received: await receivedByAll() };
  while (performance.now() < endsAt) {
    await delay(SLICE_MS);
    const now = { at: performance.now(), received: await receivedByAll() };
    most = Math.max(most, ((now.received - before.received) * SLICE_MS) / (now.at - before.at));
    before = now;
  }
  return most;
}
