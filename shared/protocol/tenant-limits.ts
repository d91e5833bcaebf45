/** What a tenant, or one of its keys, may use: as plans declare it, as the admin API takes it, as the edge enforces it. */
import { z } from "zod";
import { lowerClass, PRIORITY_CLASSES } from "./priority.ts";

const quota = z.int().min(1).max(1e12).nullable();

const fields = {
  /** Units a second, and how many may come at once. */
  rate: z
    .strictObject({
      perSecond: z
        .number()
        .min(1 / 86_400)
        .max(1e5),
      burst: z.int().min(1).max(1e7),
    })
    .nullable(),
  /** Requests in flight, over all sites together. */
  concurrency: z.int().min(1).max(10_000).nullable(),
  /** Units a calendar day and a calendar month, in UTC. */
  quotaPerDay: quota,
  quotaPerMonth: quota,
  /** Bytes of a request's body. */
  maxBodyBytes: z
    .int()
    .min(1024)
    .max(100 * 1024 * 1024)
    .nullable(),
  /** Rows of a request. */
  maxBatch: z.int().min(1).max(1e6).nullable(),
  /** Milliseconds that a request may take; a longer wish is shortened, not refused. */
  maxTimeoutMs: z.int().min(1).max(60_000).nullable(),
  /** A request that would be in a higher class is in this one; it is not refused either. */
  highestPriority: z.enum(PRIORITY_CLASSES).nullable(),
};

/**
 * Everything is counted in units: a request to a model is one, or as many as the model's declared cost. Null means no
 * limit of that kind.
 */
export const limitsSchema = z.strictObject({
  ...fields,
  // Plans that were stored, and copies that were made, by the release before lack them.
  maxTimeoutMs: fields.maxTimeoutMs.default(null),
  highestPriority: fields.highestPriority.default(null),
});
export type Limits = z.infer<typeof limitsSchema>;

/** A part of the limits, over those of a plan. Without defaults: what is left out is the plan's. */
export const limitOverridesSchema = z.strictObject(fields).partial();
export type LimitOverrides = z.infer<typeof limitOverridesSchema>;

export const UNLIMITED: Limits = {
  rate: null,
  concurrency: null,
  quotaPerDay: null,
  quotaPerMonth: null,
  maxBodyBytes: null,
  maxBatch: null,
  maxTimeoutMs: null,
  highestPriority: null,
};

/** What is given of the overrides, and the limits for the rest. */
export function overlay(limits: Limits, overrides: LimitOverrides): Limits {
  return {
    rate: overrides.rate === undefined ? limits.rate : overrides.rate,
    concurrency: overrides.concurrency === undefined ? limits.concurrency : overrides.concurrency,
    quotaPerDay: overrides.quotaPerDay === undefined ? limits.quotaPerDay : overrides.quotaPerDay,
    quotaPerMonth: overrides.quotaPerMonth === undefined ? limits.quotaPerMonth : overrides.quotaPerMonth,
    maxBodyBytes: overrides.maxBodyBytes === undefined ? limits.maxBodyBytes : overrides.maxBodyBytes,
    maxBatch: overrides.maxBatch === undefined ? limits.maxBatch : overrides.maxBatch,
    maxTimeoutMs: overrides.maxTimeoutMs === undefined ? limits.maxTimeoutMs : overrides.maxTimeoutMs,
    highestPriority: overrides.highestPriority === undefined ? limits.highestPriority : overrides.highestPriority,
  };
}

/**
 * What is wrong with limits although each number is allowed: what could have no effect, or would refuse everything.
 *
 * @param mostUnits the cost of the dearest model; a burst below it would refuse that model always
 * @returns one sentence each; empty when all is well
 */
export function limitProblems(limits: Limits, mostUnits: number): string[] {
  const { rate, quotaPerDay, quotaPerMonth } = limits;
  const problems: string[] = [];
  if (rate && rate.burst < mostUnits) {
    problems.push(`a burst of ${rate.burst} would refuse every request to a model that costs ${mostUnits}`);
  }
  if (quotaPerDay !== null && quotaPerMonth !== null && quotaPerDay >= quotaPerMonth) {
    problems.push(`a daily quota of ${quotaPerDay} has no effect beside a monthly one of ${quotaPerMonth}`);
  }
  if (rate && quotaPerDay !== null && quotaPerDay >= rate.perSecond * 86_400 + rate.burst) {
    problems.push(`a daily quota of ${quotaPerDay} has no effect: the rate allows less than that`);
  }
  if (rate && quotaPerMonth !== null && quotaPerMonth >= rate.perSecond * 31 * 86_400 + rate.burst) {
    problems.push(`a monthly quota of ${quotaPerMonth} has no effect: the rate allows less than that`);
  }
  return problems;
}

/** The limits that are one number, of which the smaller one counts. */
const NUMBERS = ["concurrency", "quotaPerDay", "quotaPerMonth", "maxBodyBytes", "maxBatch", "maxTimeoutMs"] as const;

/** What of a key's limits has no effect beside those of its tenant, or contradicts itself. */
export function keyLimitProblems(key: LimitOverrides, tenant: Limits, mostUnits: number): string[] {
  const problems = limitProblems(overlay(UNLIMITED, key), mostUnits);
  for (const name of NUMBERS) {
    const [own, above] = [key[name], tenant[name]];
    if (own !== undefined && own !== null && above !== null && own >= above) {
      problems.push(`${name} of ${own} has no effect: its tenant's is ${above}`);
    }
  }
  if (key.rate && tenant.rate && key.rate.perSecond >= tenant.rate.perSecond && key.rate.burst >= tenant.rate.burst) {
    problems.push("the rate has no effect: its tenant's is not higher");
  }
  const [own, above] = [key.highestPriority, tenant.highestPriority];
  if (own && lowerClass(own, above) === above) {
    problems.push(`highestPriority of ${own} has no effect: its tenant's is ${above}`);
  }
  return problems;
}
