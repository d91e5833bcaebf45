/**
 * Nodes that are killed, terminated, frozen, slowed and cut off as a seed says, one at a time, under steady load: whatever happens in which
 * order, every request gets its own right answer or an error, in time, and is accounted for; and when all is over, all is well.
 */
import { setTimeout as delay } from "node:timers/promises";
import { isTrouble, schedule, scheduleText } from "../pieces/fault-schedule.ts";
import { FaultStand } from "../pieces/fault-stand.ts";
import { SLOW_IDENTITY, slowIdentityFolder } from "../pieces/slow-identity.ts";
import { tally, toldIn } from "../pieces/told.ts";
import { figure, isAnsweredInTime, type ScenarioResult, type ScenarioSettings } from "./scenario.ts";

export interface RandomSchedule extends ScenarioSettings {
  readonly nodes: number;
  readonly forMs: number;
  readonly perSecond: number;
}

const LAYERS = 60;
const DEADLINE_MS = 1_200;
/** Within which all nodes are to be asked again when nothing is done to them any more. */
const WELL_MS = 10_000;
const AFTERWARDS = 40;

export async function randomSchedule({
  seed,
  tell,
  nodes: count,
  forMs,
  perSecond,
}: RandomSchedule): Promise<ScenarioResult> {
  const names = Array.from({ length: count }, (_, index) => `node-${index + 1}`);
  const planned = schedule(seed, names, forMs);
  tell(scheduleText(seed, planned));
  const models = slowIdentityFolder(LAYERS);
  const stand = await FaultStand.start({ models: [models.path], seed });
  try {
    const nodes = new Map(await Promise.all(names.map(async (name) => [name, await stand.realNode(name)] as const)));
    const clients = stand.traffic({ perSecond, deadlineMs: DEADLINE_MS, models: [SLOW_IDENTITY] });
    const startedAt = performance.now();
    // A node's next trouble waits for the end of its last one, however long that takes.
    const turns = new Map<string, Promise<void>>();
    for (const { at, node: name, action } of planned) {
      await delay(Math.max(0, startedAt + at - performance.now()));
      const act = async () => nodes.get(name)?.act(action);
      turns.set(name, (turns.get(name) ?? Promise.resolve()).then(act));
    }
    await Promise.all(turns.values());
    await delay(Math.max(0, startedAt + forMs - performance.now()));
    const records = await clients.stop();
    const healedAt = performance.now();
    for (const name of names) await stand.known(name);
    const wellMs = performance.now() - healedAt;
    const afterwards = await Promise.all(Array.from({ length: AFTERWARDS }, () => stand.ask({ model: SLOW_IDENTITY })));
    const wellAgain = afterwards.filter((record) => toldIn(record) === "200").length;
    tell(JSON.stringify(tally(records)));
    const troubles = planned.filter(({ action }) => isTrouble(action)).length;
    const broken = await stand.broken();
    return {
      figures: [
        figure("troubles", troubles, { digits: 0 }),
        figure("answered in time", (100 * records.filter(isAnsweredInTime).length) / records.length, {
          unit: "%",
          least: 90,
        }),
        figure("all nodes known as well after", wellMs / 1_000, { unit: "s", most: WELL_MS / 1_000 }),
        figure("answered when all is over", (100 * wellAgain) / AFTERWARDS, { unit: "%", least: 95 }),
      ],
      broken,
    };
  } finally {
    await stand.stop();
    models.remove();
  }
}
