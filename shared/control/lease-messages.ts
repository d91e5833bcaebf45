/** What the isolates and the owner of a tenant's limits say to each other. */
import { z } from "zod";
import { limitsSchema } from "../protocol/tenant-limits.ts";

const count = z.int().min(0);

/** A set of limits that a request has to meet: the tenant's own, or those of one of its keys. */
export const accountSchema = z.strictObject({
  /** "tenant", or the key's id. */
  name: z.string().min(1).max(64),
  limits: limitsSchema.pick({ rate: true, concurrency: true, quotaPerDay: true, quotaPerMonth: true }),
});
export type Account = z.infer<typeof accountSchema>;

/** What became of a lease, told once: what is lost on the way stays charged, and is never credited twice. */
export const settlementSchema = z.strictObject({
  lease: z.string().min(1).max(64),
  accounts: z.array(z.string().max(64)).min(1).max(2),
  /** Units that were never spent: credited to rates and quotas. */
  unspent: count,
  /** Units that were spent on requests which were then refused or failed: credited to quotas only. */
  refunded: count,
  /** When they were granted, on the owner's clock: what was charged for by then may have been paid, and periods be over. */
  grantedAt: z.number(),
  /** Whether its slots are free again. */
  slots: z.boolean(),
});
export type Settlement = z.infer<typeof settlementSchema>;

export const leaseAskSchema = z.strictObject({
  /** Of the configuration that the limits are from: the owner goes by the newest it has seen. */
  version: count,
  accounts: z.array(accountSchema).min(1).max(2),
  /** What the waiting request needs, 0 when none waits, and what would be welcome beyond it. */
  needUnits: count,
  wantUnits: count,
  needSlots: z.int().min(0).max(1),
  wantSlots: count,
  /** How long the slots may be in use, in milliseconds: after it they are free again whatever happened to the isolate. */
  slotsLifeMs: count,
  settled: z.array(settlementSchema).max(64),
});
export type LeaseAsk = z.infer<typeof leaseAskSchema>;

export type LimitKind = "rate" | "concurrency" | "day" | "month";

/** Where one limit stands, for RateLimit and RateLimit-Policy. */
export interface LimitStanding {
  readonly kind: LimitKind;
  readonly account: string;
  /** The quota, and the seconds it is for. */
  readonly quota: number;
  readonly windowSeconds: number | null;
  readonly remaining: number;
  /** Until everything is available again; null where nobody can know. */
  readonly resetMs: number | null;
}

export interface LeaseGrant {
  readonly lease: string;
  readonly units: number;
  /** From when they were asked for. */
  readonly unitsLifeMs: number;
  readonly slots: number;
  /** Slots are short: free ones should come back at once. */
  readonly scarce: boolean;
  readonly grantedAt: number;
  readonly standings: readonly LimitStanding[];
}

export interface LeaseRefusal {
  readonly refusedBy: LimitKind;
  readonly account: string;
  /** Until the request could be admitted. */
  readonly retryMs: number;
  /** How long not to ask again. */
  readonly quietMs: number;
  readonly standings: readonly LimitStanding[];
}

export type LeaseAnswer = LeaseGrant | LeaseRefusal;
