/**
 * More than can be done, through the edge: a node's capacity is measured, then clients ask for a multiple of it and ask again at once
 * when they are refused. What can be done is to be done all the same, the rest refused quickly, and when it is over it is over.
 */
import { setTimeout as delay } from "node:timers/promises";
import { scrape } from "../../support/pool-metrics.ts";
import { capacityOf } from "../pieces/capacity.ts";
import type { ClientRecord } from "../pieces/client-record.ts";
import { FaultStand } from "../pieces/fault-stand.ts";
import { SLOW_IDENTITY, slowIdentityFolder } from "../pieces/slow-identity.ts";
import { tally } from "../pieces/told.ts";
import {
  answeredMs,
  type Figure,
  figure,
  isAnsweredInTime,
  quantile,
  refusedMs,
  type ScenarioResult,
  type ScenarioSettings,
} from "./scenario.ts";

export interface Overload extends ScenarioSettings {
  /** Of the load that is too much, and of that which is just enough. */
  readonly overloadMs: number;
  readonly peakMs: number;
  /** How long it is watched afterwards. */
  readonly afterMs: number;
  /** In multiples of the capacity. */
  readonly factor: number;
  /** How often a client asks again at once when it was refused. */
  readonly retries: number;
}

/** Some 50 ms a run: so few requests a second that HTTP on the same machine costs little beside them. */
const LAYERS = 2_000;
const DEADLINE_MS = 1_500;
const SLACK_MS = 50;
const MEASURE_MS = 3_000;
/** Load before and after, at which there is hardly a queue. */
const CALM = 0.3;
const CALM_MS = 5_000;
/** Within which latency is to be what it was; and what it is to be again, as a multiple and with what a noisy machine adds. */
const RECOVERY_MS = 5_000;
const AS_BEFORE = { factor: 1.5, ms: 10 };
const SLICE_MS = 1_000;

interface Phase {
  readonly records: readonly ClientRecord[];
  readonly goodputPerSecond: number;
}

export async function overload(settings: Overload): Promise<ScenarioResult> {
  const { seed, tell, overloadMs, peakMs, afterMs, factor, retries } = settings;
  const models = slowIdentityFolder(LAYERS);
  const stand = await FaultStand.start({ models: [models.path], seed });
  try {
    const { pool } = await stand.realNode("node-1");
    const capacity = await capacityOf(stand, { model: SLOW_IDENTITY }, 3, MEASURE_MS);
    tell(`one node, ${capacity.toFixed(0)} answers/s`);
    const receivedBy = async () => (await scrape(pool)).get("warmgate_pool_requests_received_total") ?? 0;
    const phase = async (load: number, forMs: number, again = 0): Promise<Phase> => {
      const as = { retries: again };
      const own = { deadlineMs: DEADLINE_MS, models: [SLOW_IDENTITY], as };
      const clients = stand.traffic({ perSecond: load * capacity, ...own });
      await delay(forMs);
      const records = await clients.stop();
      const goodputPerSecond = (records.filter(isAnsweredInTime).length * 1_000) / forMs;
      tell(
        `${load.toFixed(1)} x for ${forMs / 1_000} s: ${goodputPerSecond.toFixed(1)}/s in time, ${JSON.stringify(tally(records))}`,
      );
      return { records, goodputPerSecond };
    };
    const calm = await phase(CALM, CALM_MS);
    const peak = await phase(1, peakMs);
    const receivedBefore = await receivedBy();
    const over = await phase(factor, overloadMs, retries);
    const received = (await receivedBy()) - receivedBefore;
    const after = await phase(CALM, afterMs);
    const broken = await stand.broken();
    return { figures: told({ calm, peak, over, after, received }), broken };
  } finally {
    await stand.stop();
    models.remove();
  }
}

interface Phases {
  readonly calm: Phase;
  readonly peak: Phase;
  readonly over: Phase;
  readonly after: Phase;
  /** Requests that came to the node during the overload. */
  readonly received: number;
}

function told({ calm, peak, over, after, received }: Phases): Figure[] {
  const refusals = refusedMs(over.records);
  const answers = answeredMs(over.records);
  const calmMs = quantile(answeredMs(calm.records), 0.5);
  const best = Math.max(peak.goodputPerSecond, over.goodputPerSecond);
  return [
    figure("goodput of the best", (100 * over.goodputPerSecond) / best, { unit: "%", digits: 1, least: 90 }),
    figure("answered under overload, p99", quantile(answers, 0.99), {
      unit: "ms",
      digits: 1,
      most: DEADLINE_MS + SLACK_MS,
    }),
    figure("refused under overload, p50", quantile(refusals, 0.5), { unit: "ms", most: 3 }),
    figure("came to the node, of what clients sent", received / over.records.length, { most: 1.1 }),
    figure("answered before, p50", calmMs, { unit: "ms", digits: 1 }),
    figure("back to that after", recoveryMs(after.records, calmMs) / 1_000, { unit: "s", most: RECOVERY_MS / 1_000 }),
  ];
}

/** From which second on the median is what it was, and nobody is refused, until the end. */
function recoveryMs(records: readonly ClientRecord[], calmMs: number): number {
  const startedAt = Math.min(...records.map(({ sentAt }) => sentAt));
  const lastMs = Math.max(...records.map(({ sentAt }) => sentAt)) - startedAt;
  const slices = Math.floor(lastMs / SLICE_MS);
  for (let slice = slices; slice > 0; slice--) {
    const from = startedAt + (slice - 1) * SLICE_MS;
    const sent = records.filter(({ sentAt }) => sentAt >= from && sentAt < from + SLICE_MS);
    if (sent.length === 0) continue;
    const isCalm =
      sent.every(isAnsweredInTime) && quantile(answeredMs(sent), 0.5) <= AS_BEFORE.factor * calmMs + AS_BEFORE.ms;
    if (!isCalm) return slice * SLICE_MS;
  }
  return 0;
}
