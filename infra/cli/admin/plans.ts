import { overlay, UNLIMITED } from "../../../shared/protocol/tenant-limits.ts";
import { requireChange } from "./change.ts";
import { type Command, defineCommand } from "./command.ts";
import { Refused } from "./failure.ts";
import { LIMIT_OPTIONS, parseLimits, withBurst } from "./limit-options.ts";
import { LIMIT_FIELDS, LIMIT_LABELS, limitText } from "./limit-text.ts";
import { planName } from "./names.ts";
import { listOf, type PlanReply, planReply } from "./replies.ts";
import { properties, table } from "./table.ts";

const plans = listOf(planReply);
const PLANS = { path: ["plans"] };

const ls = defineCommand({
  summary: "the plans that tenants can be on",
  operands: [],
  options: {},
  example: "warmgate plans ls",
  async run({ ask, show: print }) {
    const found = await ask(plans, PLANS);
    print(found, () =>
      table<PlanReply>(
        [
          { title: "PLAN", cell: ({ id }) => id },
          ...LIMIT_FIELDS.map((field) => ({
            title: LIMIT_LABELS[field].toUpperCase(),
            ...(field === "rate" || field === "highestPriority" ? {} : { numeric: true as const }),
            cell: ({ limits }: PlanReply) => limitText(limits, field) ?? "",
          })),
        ],
        found.items,
      ),
    );
  },
});

const show = defineCommand({
  summary: "a plan's limits",
  operands: ["plan"],
  options: {},
  example: "warmgate plans show free",
  async run({ operand, ask, show: print }) {
    const name = planName(operand("plan"));
    const plan = (await ask(plans, PLANS)).items.find(({ id }) => id === name);
    if (!plan) throw new Refused(`there is no plan ${name}`, "not_found", undefined, "warmgate plans ls lists them.");
    print(plan, () => describePlan(plan));
  },
});

const set = defineCommand({
  summary: "add or change a plan, for all tenants on it; what is not given stays, of a new one unlimited",
  operands: ["plan"],
  options: LIMIT_OPTIONS,
  example: "warmgate plans set free --rate 10/s --quota 100000/month",
  async run({ operand, given, ask, show: print }) {
    const name = planName(operand("plan"));
    const change = parseLimits(given);
    requireChange({ ...change.limits, ...(change.burstAlone === undefined ? {} : { burst: change.burstAlone }) });
    const before = (await ask(plans, PLANS)).items.find(({ id }) => id === name)?.limits ?? UNLIMITED;
    const body = { limits: overlay(before, withBurst(change, before.rate)) };
    const plan = await ask(planReply, { method: "PUT", path: ["plans", name], body });
    print(plan, () => describePlan(plan));
  },
});

const rm = defineCommand({
  summary: "remove a plan that no tenant is on",
  operands: ["plan"],
  options: {},
  example: "warmgate plans rm free",
  async run({ operand, ask, show: print }) {
    const path = ["plans", planName(operand("plan"))];
    const plan = await ask(planReply, { method: "DELETE", path });
    print(plan, () => `Plan ${plan.id} is removed.`);
  },
});

export const PLAN_COMMANDS: Readonly<Record<string, Command>> = { ls, show, set, rm };

function describePlan({ id, limits }: PlanReply): string {
  return properties([
    ["plan", id],
    ...LIMIT_FIELDS.map((field) => [LIMIT_LABELS[field], limitText(limits, field) ?? ""] as const),
  ]);
}
