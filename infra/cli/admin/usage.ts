import { UsageError } from "../usage-error.ts";
import { defineCommand } from "./command.ts";
import { parseInstant } from "./duration-text.ts";
import { tenantName } from "./names.ts";
import { nearestName } from "./nearest-name.ts";
import { formatNumber } from "./number-text.ts";
import { type UsageLine, usageReply } from "./replies.ts";
import { type Column, plain, table } from "./table.ts";

const GROUPS = ["total", "model", "hour", "day"] as const;
type Group = (typeof GROUPS)[number];

export const USAGE = defineCommand({
  summary: "what a tenant has used",
  operands: ["tenant"],
  options: {
    by: { value: GROUPS.join("|"), about: "a line each (total)" },
    from: { value: "<when>", about: "2027-01-01, 2027-01-01T12:00:00Z, or 7d back from now (30d)" },
    to: { value: "<when>", about: "the same (now)" },
    csv: { about: "print comma-separated values" },
  },
  example: "warmgate usage acme --by model --from 7d",
  async run({ operand, given, json, ask, askCsv, show: print, surroundings }) {
    const path = ["tenants", tenantName(operand("tenant")), "usage"];
    const by = parseGroup(given.one("by"));
    const now = surroundings.now();
    const instant = (name: "from" | "to") => {
      const text = given.one(name);
      return text === undefined ? undefined : parseInstant(text, `--${name}`, now, -1);
    };
    const [from, to] = [instant("from"), instant("to")];
    if ((from ?? 0) >= (to ?? now)) throw new UsageError("--from must be before --to.");
    const query = { by, from: isoText(from), to: isoText(to) };
    if (given.has("csv")) {
      if (json) throw new UsageError("Give --csv or --json, not both.");
      surroundings.out((await askCsv({ path, query })).replace(/\r?\n$/, ""));
      return;
    }
    const usage = await ask(usageReply, { path, query });
    print(usage, () => table(columns(by), usage.items));
    if (!json) surroundings.note(plain(`From ${usage.from} to ${usage.to}, by whole hours.`));
  },
});

function columns(by: Group): readonly Column<UsageLine>[] {
  const counts: readonly Column<UsageLine>[] = [
    { title: "REQUESTS", numeric: true, cell: ({ requests }) => formatNumber(requests) },
    { title: "ROWS", numeric: true, cell: ({ rows }) => formatNumber(rows) },
    { title: "DEVICE MS", numeric: true, cell: ({ deviceMs }) => formatNumber(deviceMs) },
    { title: "CACHE HITS", numeric: true, cell: ({ cacheHits }) => formatNumber(cacheHits) },
  ];
  return by === "total" ? counts : [{ title: by.toUpperCase(), cell: (line) => line[by] ?? "" }, ...counts];
}

function parseGroup(text: string | undefined): Group {
  if (text === undefined) return "total";
  const found = GROUPS.find((group) => group === text);
  if (found !== undefined) return found;
  const nearest = nearestName(text, GROUPS);
  const meant = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
  throw new UsageError(`--by is ${GROUPS.join(", ")}, not '${text}'.${meant}`);
}

function isoText(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}
