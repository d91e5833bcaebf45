/** The options that say how a rollout goes. What is not given is the server's to say. */
import { ALL_TRAFFIC, planProblems, rolloutPlanSchema } from "../../../shared/control/rollout/rollout-plan.ts";
import { UsageError } from "../usage-error.ts";
import { parseWholeNumber } from "./number-text.ts";
import type { GivenOptions, Options } from "./options.ts";
import { formatShare, parseDecimal, parseShare } from "./share-text.ts";

type PlanOption = keyof typeof PLAN_OPTIONS;

const OFF = "off";
const MOST_RATIO = 100;
const MOST_SECONDS = 604_800;
const MOST_REQUESTS = 1e6;
const LEAST_AGREEMENT = 0.001;
const MOST_AGREEMENT = 0.9999;
const USUAL = rolloutPlanSchema.parse({});
const USUAL_AGREEMENT = USUAL.guards.agreement === null ? OFF : formatShare(USUAL.guards.agreement);

export const PLAN_OPTIONS = {
  step: {
    value: "<percent>",
    repeatable: true,
    about: `of the traffic that the new version gets, one after the other, the last 100 (${USUAL.steps.join(", ")})`,
  },
  "step-seconds": { value: "<n>", about: `the shortest time in a step (${USUAL.stepSeconds})` },
  "step-requests": { value: "<n>", about: `the fewest requests in a step (${USUAL.stepRequests})` },
  "shadow-share": {
    value: "<share>",
    about: `of the old version's requests, compared with the new one's answers (${formatShare(USUAL.shadowShare)})`,
  },
  "error-ratio": {
    value: "<x>|off",
    about: `how many times the old version's error rate (${USUAL.guards.errorRatio})`,
  },
  "p99-ratio": { value: "<x>|off", about: `how many times as slow as the old version (${USUAL.guards.p99Ratio})` },
  agreement: { value: "<share>|off", about: `the least share of compared answers that agree (${USUAL_AGREEMENT})` },
  "non-finite": { value: "on|off", about: "whether outputs that are no finite numbers count against it (on)" },
} as const satisfies Options<string>;

/** A plan with what was given; undefined: nothing was. */
type GivenPlan = Readonly<Record<string, unknown>> | undefined;

/** @throws UsageError naming the option and what it takes, or saying why it cannot work */
export function parsePlan(given: GivenOptions<PlanOption>): GivenPlan {
  const guards = parseGuards(given);
  const [seconds, requests] = [given.one("step-seconds"), given.one("step-requests")];
  const shadowShare = given.one("shadow-share");
  const plan = {
    ...(given.has("step") ? { steps: given.all("step").map(parseStep) } : {}),
    ...(seconds === undefined ? {} : { stepSeconds: parseWholeNumber(seconds, "--step-seconds", 1, MOST_SECONDS) }),
    ...(requests === undefined
      ? {}
      : { stepRequests: parseWholeNumber(requests, "--step-requests", 1, MOST_REQUESTS) }),
    ...(shadowShare === undefined ? {} : { shadowShare: parseShare(shadowShare, "--shadow-share", 0, 1) }),
    ...(Object.keys(guards).length === 0 ? {} : { guards }),
  };
  const parsed = rolloutPlanSchema.safeParse(plan);
  const [problem] = parsed.success
    ? planProblems(parsed.data)
    : parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}.`);
  if (problem !== undefined) throw new UsageError(problem);
  return Object.keys(plan).length === 0 ? undefined : plan;
}

function parseStep(text: string): number {
  return parseWholeNumber(text.replace(/%$/, ""), "--step", 1, ALL_TRAFFIC);
}

function parseGuards(given: GivenOptions<PlanOption>) {
  const ratio = (name: "error-ratio" | "p99-ratio") =>
    orOff(given.one(name), (text) => parseDecimal(text, `--${name}`, 1, MOST_RATIO));
  const [errorRatio, p99Ratio] = [ratio("error-ratio"), ratio("p99-ratio")];
  const agreement = orOff(given.one("agreement"), (text) =>
    parseShare(text, "--agreement", LEAST_AGREEMENT, MOST_AGREEMENT),
  );
  const nonFinite = given.one("non-finite");
  if (nonFinite !== undefined && nonFinite !== "on" && nonFinite !== OFF) {
    throw new UsageError(`--non-finite is on or off, not '${nonFinite}'.`);
  }
  return {
    ...(errorRatio === undefined ? {} : { errorRatio }),
    ...(p99Ratio === undefined ? {} : { p99Ratio }),
    ...(agreement === undefined ? {} : { agreement }),
    ...(nonFinite === undefined ? {} : { nonFinite: nonFinite === "on" }),
  };
}

function orOff(text: string | undefined, parse: (text: string) => number): number | null | undefined {
  if (text === undefined) return undefined;
  return text === OFF ? null : parse(text);
}
