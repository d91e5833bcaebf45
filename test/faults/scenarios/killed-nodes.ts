/**
 * Nodes that are killed one after another under load, each back before its turn comes again: callers should notice next to nothing, as
 * what a dead node cannot have answered is asked of another one.
 */
import { setTimeout as delay } from "node:timers/promises";
import { capacityOf } from "../pieces/capacity.ts";
import { FaultStand } from "../pieces/fault-stand.ts";
import { SLOW_IDENTITY, slowIdentityFolder } from "../pieces/slow-identity.ts";
import { tally } from "../pieces/told.ts";
import {
  answeredMs,
  figure,
  isAnsweredInTime,
  quantile,
  type ScenarioResult,
  type ScenarioSettings,
} from "./scenario.ts";

export interface KilledNodes extends ScenarioSettings {
  readonly nodes: number;
  readonly forMs: number;
  readonly killEveryMs: number;
}

/** Of what the pool can do on this machine. */
const LOAD = 0.6;
const DEADLINE_MS = 2_000;
const LAYERS = 60;
const MEASURE_MS = 2_000;

export async function killedNodes(settings: KilledNodes): Promise<ScenarioResult> {
  const { seed, tell, nodes: count, forMs, killEveryMs } = settings;
  const models = slowIdentityFolder(LAYERS);
  const stand = await FaultStand.start({ models: [models.path], seed });
  try {
    const names = Array.from({ length: count }, (_, index) => `node-${index + 1}`);
    const nodes = await Promise.all(names.map((name) => stand.realNode(name)));
    const capacity = await capacityOf(stand, { model: SLOW_IDENTITY }, 2 * count, MEASURE_MS);
    tell(`${count} nodes, ${capacity.toFixed(0)} answers/s, a load of ${(LOAD * capacity).toFixed(0)}/s`);
    const clients = stand.traffic({ perSecond: LOAD * capacity, deadlineMs: DEADLINE_MS, models: [SLOW_IDENTITY] });
    const backMs: number[] = [];
    const returns: Promise<unknown>[] = [];
    const endsAt = performance.now() + forMs;
    for (let turn = 0; performance.now() + killEveryMs <= endsAt; turn++) {
      await delay(killEveryMs);
      const node = nodes[turn % count];
      if (!node) break;
      const killedAt = performance.now();
      returns.push(node.killAndReturn().then(() => backMs.push(performance.now() - killedAt)));
    }
    await delay(Math.max(0, endsAt - performance.now()));
    await Promise.all(returns);
    const records = await clients.stop();
    const inTime = records.filter(isAnsweredInTime).length;
    tell(`${returns.length} kills, ${JSON.stringify(tally(records))}`);
    const answers = answeredMs(records);
    const broken = await stand.broken();
    return {
      figures: [
        figure("answered in time", (100 * inTime) / records.length, { unit: "%", digits: 3, least: 99.95 }),
        figure("answered wrongly", broken.filter((text) => text.startsWith("I4")).length, { digits: 0, most: 0 }),
        figure("answers, p50", quantile(answers, 0.5), { unit: "ms", digits: 1 }),
        figure("answers, p99", quantile(answers, 0.99), { unit: "ms", digits: 1, most: DEADLINE_MS }),
        figure("a killed node was back, at the worst", Math.max(0, ...backMs) / 1_000, { unit: "s", most: 5 }),
      ],
      broken,
    };
  } finally {
    await stand.stop();
    models.remove();
  }
}
