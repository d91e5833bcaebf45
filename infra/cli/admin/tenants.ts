import { requireChange } from "./change.ts";
import { type Call, type Command, defineCommand, moreNote } from "./command.ts";
import { Refused } from "./failure.ts";
import { INHERITABLE, LIMIT_OPTIONS, newLimits, parseInherited, parseLimits, withBurst } from "./limit-options.ts";
import { planName, tenantName } from "./names.ts";
import type { Options } from "./options.ts";
import { gather, LIMIT_OPTION, parseListLimit } from "./pages.ts";
import { pageOf, standingsReply, type TenantReply, tenantReply } from "./replies.ts";
import { table, timeText } from "./table.ts";
import { describeStandings, describeTenant, effective, statusText } from "./tenant-text.ts";

const PLAN: Options<"plan"> = { plan: { value: "<plan>", about: "the plan whose limits hold where none are given" } };
const tenants = pageOf(tenantReply);

const ls = defineCommand({
  summary: "all tenants, by name, with the limits that they come to",
  operands: [],
  options: { limit: LIMIT_OPTION, after: { value: "<tenant>", about: "begin behind this one" } },
  example: "warmgate tenants ls",
  async run({ given, ask, show, surroundings }) {
    const limit = parseListLimit(given.one("limit"));
    const found = await gather(limit, given.one("after"), (after, size) =>
      ask(tenants, { path: ["tenants"], query: { after, limit: size } }),
    );
    show(found, () =>
      table<TenantReply>(
        [
          { title: "TENANT", cell: ({ id }) => id },
          { title: "PLAN", cell: ({ plan }) => plan },
          { title: "RATE", cell: effective("rate") },
          { title: "CONCURRENCY", numeric: true, cell: effective("concurrency") },
          { title: "QUOTA/DAY", numeric: true, cell: effective("quotaPerDay") },
          { title: "QUOTA/MONTH", numeric: true, cell: effective("quotaPerMonth") },
          { title: "STATUS", cell: statusText },
          { title: "CREATED", cell: ({ createdAt }) => timeText(createdAt) },
        ],
        found.items,
      ),
    );
    const more = moreNote("after", found.next);
    if (more !== undefined) surroundings.note(more);
  },
});

const show = defineCommand({
  summary: "a tenant, where its limits come from and where they stand",
  operands: ["tenant"],
  options: {},
  example: "warmgate tenants show acme",
  async run(call) {
    const id = tenantName(call.operand("tenant"));
    const tenant = await call.ask(tenantReply, { path: ["tenants", id] });
    const standings = await standingsOf(call, id);
    call.show({ ...tenant, ...(standings === undefined ? {} : { standings }) }, () =>
      [describeTenant(tenant), ...(standings?.length ? [describeStandings(standings)] : [])].join("\n\n"),
    );
  },
});

const create = defineCommand({
  summary: "add a tenant",
  operands: ["tenant"],
  options: {
    ...PLAN,
    ...LIMIT_OPTIONS,
    operator: { about: "its admin keys administer every tenant" },
  },
  example: "warmgate tenants create acme --rate 100/s --burst 20 --concurrency 8 --quota 1000000/month",
  async run({ operand, given, ask, show: print }) {
    const plan = given.one("plan");
    const body = {
      id: tenantName(operand("tenant")),
      ...(plan === undefined ? {} : { plan: planName(plan) }),
      limits: newLimits(parseLimits(given)),
      ...(given.has("operator") ? { operator: true } : {}),
    };
    const tenant = await ask(tenantReply, { method: "POST", path: ["tenants"], body });
    print(tenant, () => describeTenant(tenant));
  },
});

const set = defineCommand({
  summary: "change a tenant's plan or limits; what is not given stays",
  operands: ["tenant"],
  options: {
    ...PLAN,
    ...LIMIT_OPTIONS,
    inherit: { value: "<limit>", repeatable: true, about: `take a limit from the plan again: ${INHERITABLE}` },
  },
  example: "warmgate tenants set acme --rate 200/s --inherit quota/month",
  async run({ operand, given, ask, show: print }) {
    const path = ["tenants", tenantName(operand("tenant"))];
    const plan = given.one("plan");
    const limits = parseLimits(given);
    const inherit = parseInherited(given.all("inherit"), limits);
    const change = plan === undefined ? {} : { plan: planName(plan) };
    const rate = limits.burstAlone === undefined ? undefined : (await ask(tenantReply, { path })).effectiveLimits.rate;
    const overrides = withBurst(limits, rate);
    const body = {
      ...change,
      ...(Object.keys(overrides).length === 0 ? {} : { limits: overrides }),
      ...(inherit.length === 0 ? {} : { inherit }),
    };
    requireChange(body);
    const tenant = await ask(tenantReply, { method: "PATCH", path, body });
    print(tenant, () => describeTenant(tenant));
  },
});

export const TENANT_COMMANDS: Readonly<Record<string, Command>> = {
  ls,
  show,
  create,
  set,
  suspend: switched("refuse all of a tenant's calls until it is resumed", "suspend", true),
  resume: switched("answer a suspended tenant's calls again", "resume", false),
};

function switched(summary: string, verb: string, suspended: boolean): Command {
  return defineCommand({
    summary,
    operands: ["tenant"],
    options: {},
    example: `warmgate tenants ${verb} acme`,
    async run({ operand, ask, show: print }) {
      const path = ["tenants", tenantName(operand("tenant"))];
      const tenant = await ask(tenantReply, { method: "PATCH", path, body: { suspended } });
      print(tenant, () => describeTenant(tenant));
    },
  });
}

/** Where the limiter cannot be asked, the tenant is shown all the same. */
async function standingsOf({ ask, surroundings }: Pick<Call<"tenant", never>, "ask" | "surroundings">, id: string) {
  try {
    return (await ask(standingsReply, { path: ["tenants", id, "limits"] })).standings;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    surroundings.note(`Where the limits stand is not known: ${error.message} (${error.code})`);
    return undefined;
  }
}
