/** Limits in words. */
import type { LimitOverrides, Limits } from "../../../shared/protocol/tenant-limits.ts";
import { formatNumber } from "./number-text.ts";
import { formatRate } from "./rate-text.ts";
import { formatSize } from "./size-text.ts";
import { formatTimeout } from "./timeout-text.ts";

const UNLIMITED = "unlimited";

/** In the order in which they are shown. */
export const LIMIT_LABELS: Readonly<Record<keyof Limits, string>> = {
  rate: "rate",
  concurrency: "concurrency",
  quotaPerDay: "quota/day",
  quotaPerMonth: "quota/month",
  maxBodyBytes: "max body",
  maxBatch: "max batch",
  maxTimeoutMs: "max timeout",
  highestPriority: "highest priority",
};
export const LIMIT_FIELDS = [
  "rate",
  "concurrency",
  "quotaPerDay",
  "quotaPerMonth",
  "maxBodyBytes",
  "maxBatch",
  "maxTimeoutMs",
  "highestPriority",
] as const;

/** One limit; undefined where it is not given. */
export function limitText(limits: LimitOverrides, field: keyof Limits): string | undefined {
  if (limits[field] === undefined) return undefined;
  if (field === "rate") return limits.rate ? formatRate(limits.rate) : UNLIMITED;
  if (field === "highestPriority") return limits.highestPriority ?? UNLIMITED;
  const value = limits[field];
  if (value === null || value === undefined) return UNLIMITED;
  if (field === "maxTimeoutMs") return formatTimeout(value);
  return field === "maxBodyBytes" ? formatSize(value) : formatNumber(value);
}

/** All that are given, on one line. */
export function limitsText(limits: LimitOverrides): string {
  return LIMIT_FIELDS.flatMap((field) => {
    const text = limitText(limits, field);
    return text === undefined ? [] : [`${LIMIT_LABELS[field]} ${text}`];
  }).join("; ");
}
