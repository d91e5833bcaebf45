/**
 * A model route: the stable name that callers use, and which versions of which model stand behind it.
 *
 * What callers rely on is the contract, which has a number of its own: the names, datatypes and shapes of inputs and outputs. Versions
 * come and go behind it as long as they keep it; what would break it is a new contract beside the old one.
 */
import { z } from "zod";
import { fallbackSchema } from "./fallback.ts";
import { fallbackProblems } from "./fallback-problems.ts";
import { isModelName, isModelVersion } from "./model-name.ts";
import { modelSignatureSchema } from "./model-signature.ts";
import { nodeLabel } from "./pool-node.ts";
import { PRIORITY_CLASSES } from "./priority.ts";
import { PLAN_ID, TENANT_ID } from "./tenant.ts";

const version = z.string().refine(isModelVersion, "a model version is a whole number from 1");
const weight = z.number().min(0).max(1e6);

/**
 * By what a request keeps its version: equal inputs, its tenant, its credential, or a header of the caller's such as
 * `header:x-user-id`. A request without that header goes by its inputs.
 */
const stickySchema = z.union([
  z.enum(["input", "tenant", "credential"]),
  z.string().regex(/^header:x-[a-z0-9-]{1,60}$/, "input, tenant, credential or header:x-<name>"),
]);
export type StickyBy = z.infer<typeof stickySchema>;

const splitSchema = z.strictObject({
  sticky: stickySchema.default("input"),
  versions: z.array(z.strictObject({ version, weight })).min(1).max(16),
});

const experimentSchema = z.strictObject({
  name: nodeLabel,
  sticky: stickySchema.default("tenant"),
  arms: z
    .array(z.strictObject({ name: nodeLabel, version, weight }))
    .min(2)
    .max(8),
});

/** Some callers' requests go to one version, and where that is said to one class of hardware. The first rule that fits counts. */
const ruleSchema = z.strictObject({
  when: z.strictObject({
    tenants: z.array(z.string().regex(TENANT_ID)).min(1).max(256).optional(),
    plans: z.array(z.string().regex(PLAN_ID)).min(1).max(64).optional(),
    /** The service classes of requests. */
    priorities: z.array(z.enum(PRIORITY_CLASSES)).min(1).optional(),
  }),
  version,
  hardware: nodeLabel.nullable().default(null),
});

export const contractSchema = z.strictObject({
  contract: z.int().min(1).max(999),
  signature: modelSignatureSchema,
  split: splitSchema,
  rules: z.array(ruleSchema).max(64).default([]),
  experiment: experimentSchema.nullable().default(null),
  /** The class of hardware that requests are for where no rule says it; null: any. */
  hardware: nodeLabel.nullable().default(null),
  /** A version that a share of the requests is sent to as well, after the reply, to compare its answers. */
  shadow: z
    .strictObject({ version, share: z.number().gt(0).max(1) })
    .nullable()
    .default(null),
  /** What is tried, in this order, when the version that a request went to fails. */
  fallback: fallbackSchema.default([]),
  /** Milliseconds since 1970. */
  deprecation: z
    .strictObject({
      at: z.int().min(0),
      sunset: z.int().min(0).nullable(),
      link: z.url({ protocol: /^https?$/ }).nullable(),
    })
    .nullable()
    .default(null),
});
export type RouteContract = z.infer<typeof contractSchema>;

export const modelRouteSchema = z.strictObject({
  name: z.string().refine(isModelName),
  /** The model's name in the pool. */
  model: z.string().refine(isModelName),
  contracts: z.array(contractSchema).min(1).max(8),
  cache: z
    .strictObject({
      /** `shared`: tenants may be answered with what another one's request brought. */
      scope: z.enum(["tenant", "shared"]).default("tenant"),
      ttlSeconds: z.int().min(1).max(604_800).default(3_600),
    })
    .prefault({}),
  /** The rollout that moves the split of a contract, while there is one; set by its controller alone. */
  rollout: z
    .strictObject({
      id: z.uuid(),
      contract: z.int(),
      stable: version,
      candidate: version,
      shadowShare: z.number().min(0).max(1),
    })
    .nullable()
    .default(null),
});
export type ModelRoute = z.infer<typeof modelRouteSchema>;

/** Every version that requests may be sent to under a contract, the shadow's and the fallback's included; each once. */
export function routedVersions({ split, rules, experiment, shadow, fallback }: RouteContract): readonly string[] {
  const all = [
    ...split.versions.map((one) => one.version),
    ...rules.map((rule) => rule.version),
    ...(experiment?.arms ?? []).map((arm) => arm.version),
    ...(shadow ? [shadow.version] : []),
    ...fallback.flatMap((step) => (step.kind === "version" ? [step.version] : [])),
  ];
  return [...new Set(all)];
}

/** The versions that requests are for, before any fallback and beside any shadow; each once. */
function requestedVersions({ split, rules, experiment }: RouteContract): readonly string[] {
  const weighted = [...split.versions, ...(experiment?.arms ?? [])].filter(({ weight }) => weight > 0);
  return [...new Set([...weighted, ...rules].map(({ version }) => version))];
}

/** What is wrong with a route although each field is allowed, one sentence each: what contradicts itself or could have no effect. */
export function routeProblems({ contracts }: Pick<ModelRoute, "contracts">): string[] {
  const problems: string[] = [];
  for (const [index, one] of contracts.entries()) {
    const about = (problem: string) => problems.push(`contract ${one.contract}: ${problem}`);
    if (contracts.findIndex(({ contract }) => contract === one.contract) !== index) about("it is there twice");
    const { split, rules, experiment, shadow, deprecation } = one;
    if (split.versions.every((each) => each.weight === 0)) about("some version must have a weight above 0");
    for (const name of repeated(split.versions.map((each) => each.version))) about(`version ${name} has two weights`);
    for (const [place, { when }] of rules.entries()) {
      if (Object.keys(when).length === 0) about(`rule ${place + 1} names neither tenants nor plans nor priorities`);
    }
    if (experiment) {
      for (const name of repeated(experiment.arms.map((arm) => arm.name))) about(`there are two arms ${name}`);
      if (experiment.arms.every((arm) => arm.weight === 0)) about("some arm must have a weight above 0");
    }
    const others = routedVersions({ ...one, shadow: null, fallback: [] });
    if (shadow && others.length === 1 && others[0] === shadow.version)
      about("the shadow would be compared with itself");
    if (deprecation?.sunset != null && deprecation.sunset < deprecation.at)
      about("its sunset is before its deprecation");
    for (const problem of fallbackProblems(one.fallback, one.signature, requestedVersions(one))) about(problem);
  }
  return problems;
}

function repeated(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}
