/** A tenant in words. */
import type { Limits } from "../../../shared/protocol/tenant-limits.ts";
import { formatDuration } from "./duration-text.ts";
import { LIMIT_FIELDS, LIMIT_LABELS, limitText } from "./limit-text.ts";
import { formatNumber } from "./number-text.ts";
import type { Standing, TenantReply } from "./replies.ts";
import { properties, table, timeText } from "./table.ts";

/** A column's cell: what the limit comes to. */
export function effective(field: keyof Limits): (tenant: TenantReply) => string {
  return ({ effectiveLimits }) => limitText(effectiveLimits, field) ?? "";
}

export function statusText({ suspended, operator }: TenantReply): string {
  if (suspended) return "suspended";
  return operator ? "operator" : "active";
}

export function describeTenant(tenant: TenantReply): string {
  const { id, plan, limits, effectiveLimits, createdAt } = tenant;
  const about = properties([
    ["tenant", id],
    ["plan", plan],
    ["status", statusText(tenant)],
    ["created", timeText(createdAt)],
  ]);
  const limitRows = table(
    [
      { title: "LIMIT", cell: (field) => LIMIT_LABELS[field] },
      { title: "VALUE", cell: (field) => limitText(effectiveLimits, field) ?? "" },
      { title: "FROM", cell: (field) => (limits[field] === undefined ? "plan" : "tenant") },
    ],
    LIMIT_FIELDS,
  );
  return `${about}\n\n${limitRows}`;
}

export function describeStandings(standings: readonly Standing[]): string {
  return table(
    [
      { title: "NOW OF", cell: ({ account }) => account },
      { title: "LIMIT", cell: ({ kind }) => kind },
      { title: "QUOTA", numeric: true, cell: ({ quota }) => formatNumber(quota) },
      { title: "REMAINING", numeric: true, cell: ({ remaining }) => formatNumber(remaining) },
      {
        title: "ALL BACK IN",
        numeric: true,
        cell: ({ resetMs }) => (resetMs === null ? "" : formatDuration(Math.ceil(resetMs / 1000))),
      },
    ],
    standings,
  );
}
