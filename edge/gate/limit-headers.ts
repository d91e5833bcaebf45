/**
 * RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11): what the limits are, and what is left of them as the
 * tenant's limiter last said it.
 */
import type { LimitStanding } from "../../shared/control/lease-messages.ts";

export function limitHeaders(standings: readonly LimitStanding[]): Record<string, string> {
  if (standings.length === 0) return {};
  return {
    "ratelimit-policy": standings.map(policy).join(", "),
    ratelimit: standings.map(remaining).join(", "),
  };
}

function policy({ kind, account, quota, windowSeconds }: LimitStanding): string {
  const window = windowSeconds === null ? "" : `;w=${windowSeconds}`;
  const unit = kind === "concurrency" ? ';qu="concurrent-requests"' : "";
  return `${nameOf(kind, account)};q=${quota}${window}${unit}`;
}

function remaining({ kind, account, remaining: left, quota, resetMs }: LimitStanding): string {
  const reset = resetMs === null ? "" : `;t=${Math.ceil(resetMs / 1000)}`;
  return `${nameOf(kind, account)};r=${Math.min(quota, left)}${reset}`;
}

/** A structured field's string. A key's own limits stand beside those of its tenant. */
function nameOf(kind: string, account: string): string {
  return account === "tenant" ? `"${kind}"` : `"key-${kind}"`;
}
