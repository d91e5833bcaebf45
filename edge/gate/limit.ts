/**
 * Second step: may they now. Spends from what this isolate has leased of the tenant's limits (`shared/control/lease-account.ts`); only
 * when that does not reach is the tenant's limiter asked, so most requests cost no hop.
 *
 * Promises: the limits hold worldwide, exactly (`shared/control/limit-owner.ts`); a request that is refused here, or by anything
 * after this step, consumes no quota; what is leased and not used goes back.
 */

import {
  type Asking,
  LeaseAccount,
  type Refused,
  type Spent,
  type Subject,
} from "../../shared/control/lease-account.ts";
import type {
  LeaseAnswer,
  LeaseAsk,
  LimitKind,
  LimitStanding,
  Settlement,
} from "../../shared/control/lease-messages.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { Limits } from "../../shared/protocol/tenant-limits.ts";
import { BoundedMemo } from "./bounded-memo.ts";
import type { Principal } from "./identify.ts";

/** The owner of a tenant's limits (`objects/tenant-limiter.ts`). */
export interface Limiter {
  lease(ask: LeaseAsk): Promise<LeaseAnswer>;
  settle(settlements: readonly Settlement[]): Promise<void>;
}

/** Reaches the owner; a stub costs more than the whole step, and most requests need none. */
export type ReachLimiter = () => Limiter;

/** An admitted request; the first `end` counts. */
export interface Permit {
  /** @param used whether it was answered as asked; otherwise its units are credited to the quotas */
  end(used: boolean): void;
  /** Where the limits stand, for RateLimit and RateLimit-Policy. */
  standings(): readonly LimitStanding[];
}

/** A refusal by a limit carries where the limits stand, for the same headers. */
export class LimitError extends WarmgateError {
  readonly standings: readonly LimitStanding[];

  constructor(refused: Refused, standings: readonly LimitStanding[]) {
    const { refusedBy, account } = refused.refusal;
    const whose = account === "tenant" ? "tenant" : "API key";
    super(...REFUSALS[refusedBy](whose), { retryAfterSeconds: retryAfter(refused.retryMs) });
    this.standings = standings;
  }
}

const REFUSALS: Record<
  LimitKind,
  (whose: string) => ["rate_limited" | "concurrency_limited" | "quota_exceeded", string]
> = {
  rate: (whose) => ["rate_limited", `the rate limit of this ${whose} is reached`],
  concurrency: (whose) => ["concurrency_limited", `this ${whose} has as many requests in flight as it may`],
  day: (whose) => ["quota_exceeded", `the daily quota of this ${whose} is used up`],
  month: (whose) => ["quota_exceeded", `the monthly quota of this ${whose} is used up`],
};

const LONGEST_RETRY_SECONDS = 31 * 86_400;
/** What an isolate holds for a tenant nobody asks for is forgotten; its leases have long expired by then. */
const IDLE_MS = 300_000;
const WAIT_STEP_MS = 5;
/** The platform lets work go on for 30 s after a reply. */
const LONGEST_BACKGROUND_MS = 25_000;
const OVERDUE_MS = 1_000;
const NEVER = Number.POSITIVE_INFINITY;

interface Held {
  readonly account: LeaseAccount;
  /** When a background task will see to its settlements. */
  wakesAt: number;
  /** From when on its place in the memo is prolonged. */
  prolongAt: number;
}

const held = new BoundedMemo<Held>(10_000);
/** Made once for each principal, which lives for seconds. */
const subjects = new WeakMap<Principal, Subject | null>();

const UNLIMITED_PERMIT: Permit = { end: () => undefined, standings: () => [] };

/**
 * @param units what the request costs
 * @param budgetMs how long it may be in flight
 * @param keepAlive holds the request's context until the promise is settled
 * @throws LimitError `rate_limited`, `concurrency_limited`, `quota_exceeded`; WarmgateError `limiter_unavailable`
 */
export async function limit(
  principal: Principal,
  limiter: ReachLimiter,
  units: number,
  budgetMs: number,
  keepAlive: (pending: Promise<void>) => void,
  clock: () => number = Date.now,
): Promise<Permit> {
  const subject = subjectOf(principal);
  if (!subject) return UNLIMITED_PERMIT;
  const now = clock();
  const entry = holdingOf(principal, now);
  const { account } = entry;
  let admission = account.spend(subject, units, budgetMs, now);
  for (let waitedMs = WAIT_STEP_MS; admission.kind === "waiting"; waitedMs += WAIT_STEP_MS) {
    // Each request waits by a timer of its own: a promise made in another one must not be awaited on Workers.
    await scheduler.wait(WAIT_STEP_MS);
    admission = account.spend(subject, units, budgetMs, clock(), waitedMs);
  }
  if (admission.kind === "asking") {
    try {
      admission = await ask(account, admission, limiter, clock);
    } finally {
      // What it had taken and not used may be all that is out.
      settleLater(entry, limiter, keepAlive, clock);
    }
  }
  if (admission.kind === "refused") throw new LimitError(admission, account.standings(clock()));
  const spent = admission;
  const renewal = account.renewal(subject, now);
  if (renewal) keepAlive(renew(entry, renewal, limiter, keepAlive, clock));
  let ended = false;
  return {
    end(used) {
      if (ended) return;
      ended = true;
      account.end(spent, used, clock());
      settleLater(entry, limiter, keepAlive, clock);
    },
    standings: () => account.standings(clock()),
  };
}

async function ask(
  account: LeaseAccount,
  asking: Asking,
  limiter: ReachLimiter,
  clock: () => number,
): Promise<Spent | Refused> {
  let answer: LeaseAnswer;
  try {
    answer = await limiter().lease(asking.ask);
  } catch (cause) {
    account.giveUp(asking);
    throw new WarmgateError("limiter_unavailable", "this tenant's limits cannot be checked now", {
      retryAfterSeconds: 1,
      cause,
    });
  }
  return account.answered(asking, answer, clock());
}

async function renew(
  entry: Held,
  ask: LeaseAsk,
  limiter: ReachLimiter,
  keepAlive: (pending: Promise<void>) => void,
  clock: () => number,
): Promise<void> {
  const askedAt = clock();
  const answer = await limiter()
    .lease(ask)
    .catch(() => undefined);
  entry.account.renewed(ask, answer, askedAt, clock());
  // No request may come any more to see to what it brought.
  settleLater(entry, limiter, keepAlive, clock);
}

/** Sees to it that what is left over goes back, once it is known to be. */
function settleLater(
  entry: Held,
  limiter: ReachLimiter,
  keepAlive: (pending: Promise<void>) => void,
  clock: () => number,
): void {
  const at = entry.account.settleAt();
  const now = clock();
  // A wake-up that is long overdue died with its request.
  const isSeenTo = entry.wakesAt <= Math.max(now, at ?? 0) && entry.wakesAt > now - OVERDUE_MS;
  if (at === undefined || isSeenTo) return;
  entry.wakesAt = Math.max(at, now);
  keepAlive(settleAt(entry.wakesAt, entry, limiter, keepAlive, clock));
}

async function settleAt(
  at: number,
  entry: Held,
  limiter: ReachLimiter,
  keepAlive: (pending: Promise<void>) => void,
  clock: () => number,
): Promise<void> {
  await scheduler.wait(Math.max(1, Math.min(LONGEST_BACKGROUND_MS, at - clock())));
  if (entry.wakesAt === at) entry.wakesAt = NEVER;
  const settlements = entry.account.settlements(clock());
  // A settlement that is lost stays charged; sent twice it would be credited twice.
  if (settlements.length > 0)
    await limiter()
      .settle(settlements)
      .catch(() => undefined);
  settleLater(entry, limiter, keepAlive, clock);
}

function holdingOf({ tenant, kid, keyLimits }: Principal, now: number): Held {
  const key = keyLimits ? `${tenant}/${kid}` : tenant;
  const entry = held.get(key, now) ?? { account: new LeaseAccount(), wakesAt: NEVER, prolongAt: 0 };
  if (entry.prolongAt <= now) {
    entry.prolongAt = now + IDLE_MS / 2;
    held.set(key, entry, now + IDLE_MS);
  }
  return entry;
}

function subjectOf(principal: Principal): Subject | null {
  let subject = subjects.get(principal);
  if (subject === undefined) {
    const { kid, limits, keyLimits, configuration } = principal;
    const accounts = [
      ...(leased(limits) ? [{ name: "tenant", limits: leasable(limits) }] : []),
      ...(keyLimits && leased(keyLimits) ? [{ name: kid, limits: leasable(keyLimits) }] : []),
    ];
    subject = accounts.length === 0 ? null : { version: configuration.version, accounts };
    subjects.set(principal, subject);
  }
  return subject;
}

function leased({ rate, concurrency, quotaPerDay, quotaPerMonth }: Limits): boolean {
  return rate !== null || concurrency !== null || quotaPerDay !== null || quotaPerMonth !== null;
}

function leasable({ rate, concurrency, quotaPerDay, quotaPerMonth }: Limits) {
  return { rate, concurrency, quotaPerDay, quotaPerMonth };
}

/** Whole seconds, and never none: a caller that comes back at once would be refused again. */
function retryAfter(ms: number): number {
  return Math.max(1, Math.min(LONGEST_RETRY_SECONDS, Math.ceil(ms / 1000)));
}
