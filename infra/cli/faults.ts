/** `npm run test:faults`: what the short fault tests do in seconds, for as long as it takes to mean something; figures against targets. */
import { parseArgs } from "node:util";
import { watchOthers } from "../../test/bench/process-cpu.ts";
import { allDown } from "../../test/faults/scenarios/all-down.ts";
import { hostileFlood } from "../../test/faults/scenarios/hostile-flood.ts";
import { killedNodes } from "../../test/faults/scenarios/killed-nodes.ts";
import { overload } from "../../test/faults/scenarios/overload.ts";
import { randomSchedule } from "../../test/faults/scenarios/random-schedule.ts";
import type { ScenarioResult, ScenarioSettings } from "../../test/faults/scenarios/scenario.ts";
import { printScenario } from "./print-scenario.ts";
import { UsageError } from "./usage-error.ts";

interface Scenario {
  readonly title: (seconds: number) => string;
  /** How long it takes unless told otherwise. */
  readonly seconds: number;
  readonly run: (settings: ScenarioSettings & { readonly seconds: number }) => Promise<ScenarioResult>;
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  killed: {
    title: (seconds) => `four nodes at 60 % load, one killed every 10 s, for ${seconds} s`,
    seconds: 300,
    run: ({ seconds, ...settings }) =>
      killedNodes({ ...settings, nodes: 4, forMs: seconds * 1_000, killEveryMs: 10_000 }),
  },
  overload: {
    title: (seconds) => `five times what a node can do for ${seconds} s, clients asking again at once`,
    seconds: 60,
    run: ({ seconds, ...settings }) =>
      overload({ ...settings, overloadMs: seconds * 1_000, peakMs: 15_000, afterMs: 10_000, factor: 5, retries: 1 }),
  },
  down: {
    title: (seconds) => `all of three nodes down for ${seconds} s, and back`,
    seconds: 60,
    run: ({ seconds, ...settings }) => allDown({ ...settings, nodes: 3, downMs: seconds * 1_000, perSecond: 60 }),
  },
  hostile: {
    title: (seconds) => `${seconds * HOSTILE_PER_SECOND} hostile requests, to the edge and to a pool`,
    seconds: 500,
    run: ({ seconds, ...settings }) => hostileFlood({ ...settings, requests: seconds * HOSTILE_PER_SECOND }),
  },
  random: {
    title: (seconds) => `random troubles of three nodes for ${seconds} s`,
    seconds: 120,
    run: ({ seconds, ...settings }) => randomSchedule({ ...settings, nodes: 3, forMs: seconds * 1_000, perSecond: 50 }),
  },
};

/** About what one machine sends; the hostile scenario counts requests, not time. */
const HOSTILE_PER_SECOND = 200;

/** Of the cores. */
const MOST_FOR_OTHERS = 0.1;

const HELP = `Usage: npm run test:faults [-- options]

  --only ${Object.keys(SCENARIOS).join("|")}
                    that scenario alone
  --seconds <n>     for so long instead of its own time
  --minutes <n>     the same in minutes
  --seed <n>        of everything that is drawn at random (1)

Runs edge, nodes and clients on this machine and prints figures against targets. Exit code 1 when an invariant was broken: an answer that
was wrong, late, somebody else's, missing or not accounted for. A target that is missed is marked, and no failure: it depends on the machine.`;

const option = { type: "string" } as const;

export async function faults(args: string[]): Promise<number> {
  const { values } = parse(args);
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const { only } = values;
  if (only !== undefined && !Object.hasOwn(SCENARIOS, only)) throw new UsageError(HELP);
  const seed = positive(values.seed ?? "1", "--seed");
  const minutes = values.minutes === undefined ? undefined : 60 * positive(values.minutes, "--minutes");
  const asked = values.seconds === undefined ? minutes : positive(values.seconds, "--seconds");
  let isBroken = false;
  for (const [name, { title, seconds: own, run }] of Object.entries(SCENARIOS)) {
    if (only !== undefined && only !== name) continue;
    const seconds = asked ?? own;
    console.log(`\n${name}: ${title(seconds)}, seed ${seed}\n`);
    const othersCores = watchOthers();
    const result = await run({ seed, seconds, tell: (line) => console.log(`  ${line.replaceAll("\n", "\n  ")}`) });
    printScenario(result);
    const others = othersCores() ?? 0;
    if (others > MOST_FOR_OTHERS)
      console.log(`\n  Other processes used ${others.toFixed(2)} cores meanwhile: figures of time say little.`);
    if (result.broken.length > 0) isBroken = true;
  }
  return isBroken ? 1 : 0;
}

function parse(args: string[]) {
  try {
    const options = {
      help: { type: "boolean" },
      only: option,
      seconds: option,
      minutes: option,
      seed: option,
    } as const;
    return parseArgs({ args, options });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
  }
}

function positive(text: string, name: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1e6) return value;
  throw new UsageError(`${name} must be a whole number from 1, not '${text}'.`);
}
