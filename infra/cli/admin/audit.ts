import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { defineCommand, moreNote } from "./command.ts";
import { tenantName } from "./names.ts";
import { parseWholeNumber } from "./number-text.ts";
import { gather, parseListLimit } from "./pages.ts";
import { type AuditReply, auditReply, pageOf } from "./replies.ts";
import { table, timeText } from "./table.ts";

const USUAL_ENTRIES = 50;
const entries = pageOf(auditReply);
const fieldsSchema = z.record(z.string(), z.unknown());

export const AUDIT = defineCommand({
  summary: "who changed what, newest first",
  operands: [],
  options: {
    tenant: { value: "<tenant>", about: "of this tenant and its keys only" },
    before: { value: "<id>", about: "entries older than this one" },
    limit: { value: "<n>", about: `how many at the most (${USUAL_ENTRIES})` },
  },
  example: "warmgate audit --tenant acme",
  async run({ given, ask, show: print, surroundings }) {
    const tenant = given.one("tenant");
    // A tenant's own admins may read this path, operators both.
    const path = tenant === undefined ? ["audit"] : ["tenants", tenantName(tenant), "audit"];
    const start = given.one("before");
    if (start !== undefined) parseWholeNumber(start, "--before", 1, Number.MAX_SAFE_INTEGER);
    const limit = parseListLimit(given.one("limit"), USUAL_ENTRIES);
    const found = await gather(limit, start, (before, size) => ask(entries, { path, query: { before, limit: size } }));
    print(found, () =>
      table<AuditReply>(
        [
          { title: "ID", numeric: true, cell: ({ id }) => String(id) },
          { title: "AT", cell: ({ at }) => timeText(at) },
          { title: "ACTOR", cell: ({ actor }) => actor },
          { title: "ACTION", cell: ({ action }) => action },
          { title: "SUBJECT", cell: ({ subject }) => subject },
          { title: "TENANT", cell: ({ tenant: owner }) => owner ?? "" },
          { title: "CHANGED", cell: ({ before, after }) => changedFields(before, after).join(" ") },
          { title: "REQUEST", cell: ({ requestId }) => requestId },
        ],
        found.items,
      ),
    );
    const more = moreNote("before", found.next);
    if (more !== undefined) surroundings.note(more);
  },
});

/** Of a thing that was there before and after: the fields that differ. Of one that came or went, none. */
export function changedFields(before: unknown, after: unknown): string[] {
  const [was, is] = [fieldsSchema.safeParse(before), fieldsSchema.safeParse(after)];
  if (!was.success || !is.success) return [];
  const names = new Set([...Object.keys(was.data), ...Object.keys(is.data)]);
  return [...names].filter((name) => !isDeepStrictEqual(was.data[name], is.data[name])).sort();
}
