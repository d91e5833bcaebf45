/** The options that say what a model route is to be, read into what changes of it. */
import type { FallbackStep } from "../../../shared/protocol/fallback.ts";
import { contractSchema } from "../../../shared/protocol/model-route.ts";
import { UsageError } from "../usage-error.ts";
import { requireChange } from "./change.ts";
import { parseDuration, parseInstant } from "./duration-text.ts";
import { FALLBACK_FORM, parseFallback } from "./fallback-text.ts";
import { labelName, modelName, modelVersion } from "./names.ts";
import { parseWholeNumber } from "./number-text.ts";
import type { GivenOptions, Options } from "./options.ts";
import { parseRules, type Rule } from "./rule-text.ts";
import { type Arm, parseArms, parseShadow, parseWeights, type WeightedVersion } from "./weight-text.ts";

type RouteOption = keyof typeof ROUTE_OPTIONS;
type Given = GivenOptions<RouteOption>;

const STICKY = "input|tenant|credential|header:x-<name>";
const SCOPES = ["tenant", "shared"];
const LONGEST_TTL_DAYS = 7;
const HIGHEST_CONTRACT = 999;
const stickySchema = contractSchema.shape.split.shape.sticky;
const linkSchema = contractSchema.shape.deprecation.unwrap().unwrap().shape.link;

export const ROUTE_OPTIONS = {
  model: { value: "<model>", about: "the model's name in the pool (of a new route its own name)" },
  contract: { value: "<n>", about: "which contract is changed, or added (the oldest; 1 of a new route)" },
  weight: { value: "<version>=<weight>", repeatable: true, about: "what a version gets; all of them are replaced" },
  sticky: { value: STICKY, about: "by what requests keep their version" },
  hardware: { value: "<class>|any", about: "the class of hardware that requests are for" },
  rule: {
    value: "<conditions>:<version>[@<hardware>]",
    repeatable: true,
    about: "tenant=acme,plan=free,priority=batch:2 and the like; the first that fits counts; all of them are replaced",
  },
  "no-rules": { about: "take the rules away" },
  experiment: { value: "<name>", about: "divide the requests that no rule is for into arms" },
  arm: { value: "<name>=<version>:<weight>", repeatable: true, about: "of the experiment, 2 or more" },
  "experiment-sticky": { value: STICKY, about: "by what requests keep their arm (tenant)" },
  "no-experiment": { about: "end the experiment" },
  shadow: { value: "<version>=<share>", about: "compare with a version that gets a share of the requests too: 2=10%" },
  "no-shadow": { about: "take the shadow away" },
  fallback: {
    value: FALLBACK_FORM,
    repeatable: true,
    about:
      "tried in this order when a version fails; a rule is 0.1, true, a text, [0.1,0.9] for a row or '(0.5*amount[0])'; all of it is replaced",
  },
  "cache-scope": { value: SCOPES.join("|"), about: "who may be answered with what a tenant's request brought" },
  ttl: { value: "<duration>", about: "how long answers are kept" },
  deprecate: { value: "<when>", about: "from when on the contract is deprecated: 2027-01-31, or 90d from now" },
  sunset: { value: "<when>", about: "when it ends" },
  "deprecation-link": { value: "<url>", about: "what callers are told to read about it" },
  "no-deprecation": { about: "take the deprecation back" },
  "signature-from": { value: "<version>", about: "the contract grows to what this version takes and gives" },
  "remove-contract": { value: "<n>", about: "end a contract" },
} as const satisfies Options<string>;

export interface Deprecation {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly sunset: number | null;
  readonly link: string | null;
}

export interface Experiment {
  readonly name: string;
  readonly sticky?: string;
  readonly arms: readonly Arm[];
}

/** Fields that are there are changed; null takes away. */
export interface ContractChange {
  readonly versions?: readonly WeightedVersion[];
  readonly sticky?: string;
  readonly hardware?: string | null;
  readonly rules?: readonly Rule[];
  readonly experiment?: Experiment | null;
  readonly shadow?: ReturnType<typeof parseShadow> | null;
  readonly fallback?: readonly FallbackStep[];
  readonly deprecation?: Partial<Deprecation> | null;
  readonly signature?: { readonly from: string };
}

export interface RouteChange {
  readonly model: string | undefined;
  readonly cache: { readonly scope?: string; readonly ttlSeconds?: number };
  /** The number of the contract to be changed or added; undefined: the oldest. */
  readonly contract: number | undefined;
  readonly contractChange: ContractChange;
  readonly removed: number | undefined;
}

/** @param now milliseconds since 1970 @throws UsageError naming the option and what it takes, or when nothing is given */
export function parseRouteChange(given: Given, now: number): RouteChange {
  const text = { model: given.one("model"), contract: given.one("contract"), removed: given.one("remove-contract") };
  const contract = text.contract === undefined ? undefined : contractNumber(text.contract, "--contract");
  const removed = text.removed === undefined ? undefined : contractNumber(text.removed, "--remove-contract");
  const contractChange = parseContractChange(given, now);
  if (contract !== undefined && Object.keys(contractChange).length === 0) {
    throw new UsageError(`--contract ${contract}: give what of it is to change.`);
  }
  if (contract !== undefined && contract === removed) {
    throw new UsageError(`Contract ${contract} can be changed or removed, not both.`);
  }
  const model = text.model === undefined ? undefined : modelName(text.model);
  const cache = parseCache(given);
  requireChange({
    ...(model === undefined ? {} : { model }),
    ...(removed === undefined ? {} : { removed }),
    ...{ ...cache, ...contractChange },
  });
  return { model, cache, contract, contractChange, removed };
}

/** @throws UsageError */
export function contractNumber(text: string, option: string): number {
  return parseWholeNumber(text, option, 1, HIGHEST_CONTRACT);
}

function parseContractChange(given: Given, now: number): ContractChange {
  for (const [name, without] of [
    ["rule", "no-rules"],
    ["experiment", "no-experiment"],
    ["shadow", "no-shadow"],
  ] as const) {
    if (given.has(name) && given.has(without)) throw new UsageError(`Give --${name} or --${without}, not both.`);
  }
  const sticky = given.one("sticky");
  const hardware = given.one("hardware");
  const signature = given.one("signature-from");
  const shadow = given.one("shadow");
  return {
    ...(given.has("weight") ? { versions: parseWeights(given.all("weight")) } : {}),
    ...(sticky === undefined ? {} : { sticky: parseSticky(sticky, "--sticky") }),
    ...(hardware === undefined ? {} : { hardware: hardware === "any" ? null : labelName(hardware, "--hardware") }),
    ...(given.has("rule") ? { rules: parseRules(given.all("rule")) } : {}),
    ...(given.has("no-rules") ? { rules: [] } : {}),
    ...parseExperiment(given),
    ...(shadow === undefined ? {} : { shadow: parseShadow(shadow) }),
    ...(given.has("no-shadow") ? { shadow: null } : {}),
    ...(given.has("fallback") ? { fallback: parseFallback(given.all("fallback")) } : {}),
    ...parseDeprecation(given, now),
    ...(signature === undefined ? {} : { signature: { from: modelVersion(signature, "--signature-from") } }),
  };
}

function parseExperiment(given: Given): Pick<ContractChange, "experiment"> {
  const name = given.one("experiment");
  if (name === undefined) {
    for (const part of ["arm", "experiment-sticky"] as const) {
      if (given.has(part)) throw new UsageError(`--${part} goes with --experiment <name>.`);
    }
    return given.has("no-experiment") ? { experiment: null } : {};
  }
  const sticky = given.one("experiment-sticky");
  return {
    experiment: {
      name: labelName(name, "--experiment"),
      ...(sticky === undefined ? {} : { sticky: parseSticky(sticky, "--experiment-sticky") }),
      arms: parseArms(given.all("arm")),
    },
  };
}

function parseDeprecation(given: Given, now: number): Pick<ContractChange, "deprecation"> {
  const instant = (name: "deprecate" | "sunset") => {
    const text = given.one(name);
    return text === undefined ? undefined : parseInstant(text, `--${name}`, now, 1);
  };
  const [at, sunset, link] = [instant("deprecate"), instant("sunset"), given.one("deprecation-link")];
  const isGiven = at !== undefined || sunset !== undefined || link !== undefined;
  if (given.has("no-deprecation")) {
    if (isGiven) throw new UsageError("Beside --no-deprecation nothing can be said of a deprecation.");
    return { deprecation: null };
  }
  if (!isGiven) return {};
  if (at !== undefined && sunset !== undefined && sunset < at) {
    throw new UsageError("--sunset cannot be before --deprecate.");
  }
  if (link !== undefined && !linkSchema.safeParse(link).success) {
    throw new UsageError("--deprecation-link is a URL such as https://docs.example.com/moving.");
  }
  return {
    deprecation: {
      ...(at === undefined ? {} : { at }),
      ...(sunset === undefined ? {} : { sunset }),
      ...(link === undefined ? {} : { link }),
    },
  };
}

function parseCache(given: Given): RouteChange["cache"] {
  const scope = given.one("cache-scope");
  if (scope !== undefined && !SCOPES.includes(scope)) {
    throw new UsageError(`--cache-scope is ${SCOPES.join(" or ")}, not '${scope}'.`);
  }
  const ttl = given.one("ttl");
  const ttlSeconds = ttl === undefined ? undefined : parseDuration(ttl, "--ttl");
  if (ttlSeconds !== undefined && (ttlSeconds < 1 || ttlSeconds > LONGEST_TTL_DAYS * 86_400)) {
    throw new UsageError(`--ttl is 1s to ${LONGEST_TTL_DAYS}d.`);
  }
  return { ...(scope === undefined ? {} : { scope }), ...(ttlSeconds === undefined ? {} : { ttlSeconds }) };
}

function parseSticky(text: string, option: string): string {
  if (stickySchema.safeParse(text).success) return text;
  throw new UsageError(`${option} is ${STICKY.replaceAll("|", ", ")}, not '${text}'.`);
}
