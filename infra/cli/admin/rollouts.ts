import { UsageError } from "../usage-error.ts";
import { type Command, defineCommand } from "./command.ts";
import { modelVersion } from "./names.ts";
import { parseWholeNumber } from "./number-text.ts";
import { PLAN_OPTIONS, parsePlan } from "./rollout-options.ts";
import { rolloutReply } from "./rollout-replies.ts";
import { describeDecisions, describeRollout } from "./rollout-text.ts";
import { contractNumber } from "./route-options.ts";
import { routePath } from "./routes.ts";

const MOST_DECISIONS = 2_000;

const start = defineCommand({
  summary: "let a version take over a route's traffic step by step, and lose it when it is worse",
  operands: ["route"],
  options: {
    to: { value: "<version>", about: "the version that takes over" },
    contract: { value: "<n>", about: "of which contract (the oldest)" },
    ...PLAN_OPTIONS,
  },
  example: "warmgate rollout start digits --to 2 --step 10 --step 50 --step 100",
  async run({ operand, given, ask, show: print }) {
    const path = rolloutPath(operand("route"));
    const to = given.one("to");
    if (to === undefined) throw new UsageError("--to <version> is missing.");
    const contract = given.one("contract");
    const plan = parsePlan(given);
    const body = {
      candidate: modelVersion(to, "--to"),
      ...(contract === undefined ? {} : { contract: contractNumber(contract, "--contract") }),
      ...(plan === undefined ? {} : { plan }),
    };
    const started = await ask(rolloutReply, { method: "POST", path, body });
    print(started, () => describeRollout(started));
  },
});

const status = defineCommand({
  summary: "where a route's rollout stands, the last one if none is running, and what it decided by",
  operands: ["route"],
  options: { decisions: { value: "<n>", about: "how many of the last ones (20)" } },
  example: "warmgate rollout status digits",
  async run({ operand, given, ask, show: print }) {
    const path = rolloutPath(operand("route"));
    const count = given.one("decisions");
    const decisions = count === undefined ? undefined : parseWholeNumber(count, "--decisions", 0, MOST_DECISIONS);
    const rollout = await ask(rolloutReply, { path, query: { decisions: decisions?.toString() } });
    print(rollout, () => [describeRollout(rollout), describeDecisions(rollout)].join("\n\n"));
  },
});

export const ROLLOUT_COMMANDS: Readonly<Record<string, Command>> = {
  start,
  status,
  abort: ended("abort", "take all traffic back to the old version, now"),
  promote: ended("promote", "give all traffic to the new version, whatever the guards say"),
};

function ended(verb: "abort" | "promote", summary: string): Command {
  return defineCommand({
    summary,
    operands: ["route"],
    options: {},
    example: `warmgate rollout ${verb} digits`,
    async run({ operand, ask, show: print }) {
      const rollout = await ask(rolloutReply, { method: "POST", path: [...rolloutPath(operand("route")), verb] });
      print(rollout, () => describeRollout(rollout));
    },
  });
}

function rolloutPath(route: string): string[] {
  return [...routePath(route), "rollout"];
}
