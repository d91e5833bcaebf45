/** A route's rules as people write them: `tenant=acme,tenant=bolt,plan=free:2@nvidia-h200`. */
import { PRIORITY_CLASSES } from "../../../shared/protocol/priority.ts";
import { UsageError } from "../usage-error.ts";
import { labelName, modelVersion, planName, priorityName, tenantName } from "./names.ts";

export interface Rule {
  readonly when: {
    readonly tenants?: readonly string[] | undefined;
    readonly plans?: readonly string[] | undefined;
    readonly priorities?: readonly string[] | undefined;
  };
  readonly version: string;
  /** null: the contract's. */
  readonly hardware: string | null;
}

const OPTION = "--rule";
const FORMAT = /^([^:]+):([^:@]+)(?:@([^:@]+))?$/;
const MOST_RULES = 64;
const CONDITIONS: Readonly<
  Record<
    string,
    { readonly field: keyof Rule["when"]; readonly most: number; readonly check: (text: string) => string }
  >
> = {
  tenant: { field: "tenants", most: 256, check: tenantName },
  plan: { field: "plans", most: 64, check: planName },
  priority: { field: "priorities", most: PRIORITY_CLASSES.length, check: (text) => priorityName(text, OPTION) },
};

/** @throws UsageError */
export function parseRules(texts: readonly string[]): Rule[] {
  if (texts.length > MOST_RULES) throw new UsageError(`${OPTION} may be given ${MOST_RULES} times.`);
  return texts.map(parseRule);
}

function parseRule(text: string): Rule {
  const [, conditions = "", version = "", hardware] = FORMAT.exec(text) ?? [];
  if (conditions === "") {
    throw new UsageError(`${OPTION} is <conditions>:<version>[@<hardware>] such as tenant=acme:2, not '${text}'.`);
  }
  const when: Partial<Record<keyof Rule["when"], readonly string[]>> = {};
  for (const condition of conditions.split(",")) {
    const [, name = "", value = ""] = /^([^=]+)=(.+)$/.exec(condition) ?? [];
    const kind = Object.hasOwn(CONDITIONS, name) ? CONDITIONS[name] : undefined;
    if (!kind)
      throw new UsageError(`${OPTION}: a condition is ${Object.keys(CONDITIONS).join("=, ")}=, not '${condition}'.`);
    const values = [...(when[kind.field] ?? []), kind.check(value)];
    if (values.length > kind.most) throw new UsageError(`${OPTION}: there may be ${kind.most} times ${name}=.`);
    when[kind.field] = values;
  }
  return {
    when,
    version: modelVersion(version, OPTION),
    hardware: hardware === undefined ? null : labelName(hardware, OPTION),
  };
}

/** What a rule asks for, as it is written. */
export function conditionsText({ when }: Rule): string {
  return Object.entries(CONDITIONS)
    .flatMap(([name, { field }]) => (when[field] ?? []).map((value) => `${name}=${value}`))
    .join(",");
}
