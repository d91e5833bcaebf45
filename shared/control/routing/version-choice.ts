/**
 * Which version answers a request: what the caller pins, else the first rule for it, else the experiment's arm, else the split. A pure
 * function of the route and the request, so every isolate in the world decides alike, and so does a dry run.
 *
 * A version that no node is known to have is passed over, and what it would have got goes to the others.
 */
import type { RouteContract, StickyBy } from "../../protocol/model-route.ts";
import type { PriorityClass } from "../../protocol/priority.ts";
import { chooseByWeight } from "./weighted-split.ts";

export interface VersionAsk {
  /** What requests with its name in common are told apart by. */
  readonly route: string;
  readonly pin: string | undefined;
  readonly tenant: string;
  readonly plan: string;
  readonly priority: PriorityClass;
  /** What the request keeps its version by. */
  readonly keyOf: (by: StickyBy) => string;
  /** Whether some node is known to have a version. */
  readonly has: (version: string) => boolean;
}

export type VersionRule =
  | { readonly kind: "pin" }
  /** There is no route of that name: the newest version. */
  | { readonly kind: "newest" }
  /** Counted from 1. */
  | { readonly kind: "rule"; readonly rule: number }
  | { readonly kind: "experiment"; readonly experiment: string; readonly arm: string }
  | { readonly kind: "split" };

export interface VersionChoice {
  readonly version: string;
  readonly rule: VersionRule;
  /** The class of hardware that it is for; null: any. */
  readonly hardware: string | null;
}

/** @returns undefined when no node has any of the versions */
export function chooseVersion(contract: RouteContract, ask: VersionAsk): VersionChoice | undefined {
  const { hardware } = contract;
  if (ask.pin !== undefined) return { version: ask.pin, rule: { kind: "pin" }, hardware };
  for (const [index, rule] of contract.rules.entries()) {
    if (fits(rule.when, ask) && ask.has(rule.version)) {
      return { version: rule.version, rule: { kind: "rule", rule: index + 1 }, hardware: rule.hardware ?? hardware };
    }
  }
  const { experiment, split } = contract;
  if (experiment) {
    const arms = experiment.arms.filter((arm) => ask.has(arm.version)).map((arm) => ({ ...arm, id: arm.name }));
    const arm = chosen(`experiment/${ask.route}/${contract.contract}/${experiment.name}`, experiment.sticky, arms, ask);
    if (arm) {
      const rule = { kind: "experiment", experiment: experiment.name, arm: arm.name } as const;
      return { version: arm.version, rule, hardware };
    }
  }
  const versions = split.versions.filter((one) => ask.has(one.version)).map((one) => ({ ...one, id: one.version }));
  const one = chosen(`split/${ask.route}/${contract.contract}`, split.sticky, versions, ask);
  return one && { version: one.version, rule: { kind: "split" }, hardware };
}

/** Whether the choice may depend on the inputs, which then must be known by a digest. */
export function dependsOnInputs({ experiment, split }: RouteContract): boolean {
  const several = (targets: readonly { readonly weight: number }[]) =>
    targets.filter(({ weight }) => weight > 0).length > 1;
  const byInputs = (sticky: StickyBy) => sticky === "input" || sticky.startsWith("header:");
  return (several(split.versions) && byInputs(split.sticky)) || (experiment !== null && byInputs(experiment.sticky));
}

function fits(when: RouteContract["rules"][number]["when"], { tenant, plan, priority }: VersionAsk): boolean {
  return (
    (when.tenants?.includes(tenant) ?? true) &&
    (when.plans?.includes(plan) ?? true) &&
    (when.priorities?.includes(priority) ?? true)
  );
}

function chosen<Target extends { readonly id: string; readonly weight: number }>(
  salt: string,
  sticky: StickyBy,
  targets: readonly Target[],
  { keyOf }: VersionAsk,
): Target | undefined {
  const weighty = targets.filter(({ weight }) => weight > 0);
  return weighty.length > 1 ? chooseByWeight(salt, keyOf(sticky), weighty) : weighty[0];
}
