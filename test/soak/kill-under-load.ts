/**
 * A pool whose serving process is ended at random moments while clients ask on its own port: each is told something in time and nothing
 * wrong, readiness tells the truth, and nothing stays behind.
 */
import { setTimeout as delay } from "node:timers/promises";
import { IDENTITY_MODELS, type IdentityModel } from "../faults/pieces/identity-models.ts";
import { type AskedModel, PacedClients } from "../faults/pieces/paced-clients.ts";
import { settledFigures } from "../faults/pieces/settled.ts";
import { SLOW_IDENTITY } from "../faults/pieces/slow-identity.ts";
import { tally } from "../faults/pieces/told.ts";
import type { ScenarioResult, ScenarioSettings } from "../faults/scenarios/scenario.ts";
import { digitQuestions } from "./digit-questions.ts";
import { EndedPool, KEPT_MODELS } from "./ended-pool.ts";
import { killReport } from "./kill-report.ts";
import { killSchedule, killScheduleText } from "./kill-schedule.ts";
import { MemorySamples } from "./memory-samples.ts";
import { openDescriptors } from "./pool-processes.ts";
import { ReadyWatch } from "./ready-watch.ts";

export interface KillUnderLoad extends ScenarioSettings {
  readonly forMs: number;
  readonly meanGapMs: number;
  readonly perSecond: number;
}

/** Longer than a process that stands still is left alone, so that whoever waits for it is told in time. */
const DEADLINE_MS = 3_000;
const MODELS: readonly IdentityModel[] = [
  SLOW_IDENTITY,
  ...IDENTITY_MODELS.filter(({ name }) => KEPT_MODELS.has(name)),
];
const TENANTS = ["acme", "umbrella"];
/** Of all requests. */
const DIGITS_SHARE = 0.25;

/** @throws RangeError when the time is too short for two kills, so that nothing could be compared */
export async function killUnderLoad({
  seed,
  tell,
  forMs,
  meanGapMs,
  perSecond,
}: KillUnderLoad): Promise<ScenarioResult> {
  const [first, ...others] = killSchedule(seed, { forMs, meanGapMs });
  if (!first || others.length === 0) throw new RangeError("the time is too short for two kills");
  tell(killScheduleText(seed, [first, ...others]));
  const ended = await EndedPool.start();
  try {
    const { pool, supervisor } = ended;
    const { url, opsUrl } = pool;
    const clients = clientsOf(url, await digitQuestions(url, seed), { seed, perSecond });
    const watch = new ReadyWatch({ url, opsUrl, model: SLOW_IDENTITY, deadlineMs: DEADLINE_MS });
    let memory: MemorySamples | undefined;
    try {
      const startedAt = performance.now();
      await ended.carryOut(first, startedAt);
      // Whatever is opened and kept for what comes after a death is there by now.
      const filesBefore = openDescriptors(supervisor);
      memory = new MemorySamples(supervisor);
      for (const end of others) await ended.carryOut(end, startedAt);
      await delay(Math.max(0, startedAt + forMs - performance.now()));
      const words = await watch.stop();
      const asked = await Promise.all(clients.map((some) => some.stop()));
      await ended.allAnswered();
      const records = [...asked.flat(), ...words.map(({ request }) => request)];
      const [identity] = clients;
      const evidence = {
        ...{ records, words, denials: watch.denials, memory },
        markers: new Map([...identity.markers, watch.marker]),
        pool: await settledFigures(pool, new Map()),
        left: await ended.left(),
        openedFiles: openDescriptors(supervisor) - filesBefore,
      };
      await ended.stop();
      tell(`${ended.ends} kills, ${ended.reloads} reloads, ${JSON.stringify(tally(records))}`);
      return killReport({ ...evidence, ...ended.account(), left: [...evidence.left, ...(await ended.left())] });
    } finally {
      memory?.stop();
      await Promise.all([watch.stop(), ...clients.map((some) => some.stop())]);
    }
  } finally {
    await ended.remove();
  }
}

/** Those of models that answer with their input, and those of the digits, whose answers hold no marker. */
function clientsOf(
  url: string,
  digits: AskedModel,
  { seed, perSecond }: { readonly seed: number; readonly perSecond: number },
): readonly [PacedClients, PacedClients] {
  const common = { url, deadlineMs: DEADLINE_MS, firstElement: 1 };
  const perTenant = ((1 - DIGITS_SHARE) * perSecond) / TENANTS.length;
  const tenants = TENANTS.map((tenant) => ({ tenant, key: "none", perSecond: perTenant }));
  const readers = [{ tenant: "digits", key: "none", perSecond: DIGITS_SHARE * perSecond }];
  return [
    new PacedClients({ ...common, tenants, models: MODELS, seed }),
    new PacedClients({ ...common, tenants: readers, models: [digits], seed: seed + TENANTS.length + 1 }),
  ];
}
