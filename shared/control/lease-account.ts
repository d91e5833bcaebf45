/**
 * What an isolate holds of one tenant's limits: leases from the owner (`limit-owner.ts`), spent here without a hop.
 *
 * A request is `spend`ed: it is admitted from what is at hand, refused while the owner's last refusal holds, or has to ask.
 * `end` gives its slot back and says whether it was worth its units. What is left of leases is settled with the next ask, or
 * by itself when nobody asks any more. The size of a lease follows the demand, so that sparse callers waste nothing.
 *
 * Guarantee: no unit is spent twice or after its life, no slot beyond its own. Bounded: `MOST_LEASES` leases, each small.
 */
import type {
  Account,
  LeaseAnswer,
  LeaseAsk,
  LeaseGrant,
  LeaseRefusal,
  LimitStanding,
  Settlement,
} from "./lease-messages.ts";

interface Lease {
  readonly id: string;
  readonly accounts: readonly string[];
  readonly grantedAt: number;
  /** Whether a quota counts its units, so that what is left of them is worth a message of its own. */
  readonly metered: boolean;
  units: number;
  readonly unitsUntil: number;
  /** Spent on requests that came to nothing. */
  refunded: number;
  freeSlots: number;
  busySlots: number;
  readonly slotsUntil: number;
  /** When the last of its slots became free. */
  idleSince: number;
  /** Settled; what comes back later is settled apart. */
  closed: boolean;
}

/** An admitted request's share of leases, to be handed back at its end; null where nothing had to be leased. */
export interface Spent {
  readonly kind: "admitted";
  readonly units: number;
  readonly fromUnits: Lease | null;
  readonly fromSlots: Lease | null;
}

export interface Refused {
  readonly kind: "refused";
  readonly refusal: LeaseRefusal;
  /** From now until the request could be admitted. */
  readonly retryMs: number;
}

/** A request that waits for the owner, with what it already has. */
export interface Asking {
  readonly kind: "asking";
  readonly ask: LeaseAsk;
  readonly units: number;
  readonly fromUnits: Lease | null | undefined;
  readonly fromSlots: Lease | null | undefined;
  readonly askedAt: number;
}

/** A request for which others are asking already: it should try again in a moment. */
export interface Waiting {
  readonly kind: "waiting";
}

/** Whose limits a request has to meet. */
export interface Subject {
  /** Of the configuration that the limits are from. */
  readonly version: number;
  readonly accounts: readonly Account[];
}

/** How long a slot that nobody uses is kept where slots are not scarce. */
export const SLOT_HOLD_MS = 250;
/** Beyond the request that a slot was asked for, others may use it for this long. */
const SLOT_REUSE_MS = 5_000;
const MOST_LEASES = 32;
const MOST_SETTLEMENTS = 64;
/** Weight of the newest window in the demand, and of the newest ask in the round trip. */
const SMOOTHING = 0.3;
const DEMAND_WINDOW_MS = 200;
/** A renewal that has not come back by then is not waited for any longer. */
const RENEWAL_MS = 2_000;
const FIRST_ROUND_TRIP_MS = 5;
/** Of one isolate and tenant at once, for units: what they bring is enough for the others who wait. */
const MOST_ASKS = 2;
/** After that a request asks for itself. */
const PATIENCE_MS = 500;
const WAITING: Waiting = { kind: "waiting" };

export class LeaseAccount {
  #leases: Lease[] = [];
  #settled: Settlement[] = [];
  #standings: readonly LimitStanding[] = [];
  #refusal: { readonly answer: LeaseRefusal; readonly at: number } | undefined;
  #scarce = false;
  #unitsPerMs = 0;
  #windowUnits = 0;
  #windowStart = 0;
  #roundTripMs = FIRST_ROUND_TRIP_MS;
  /** Of the last grant; how much to ask for follows from it. */
  #lifeMs = 0;
  #renewingUntil = 0;
  #asksOut = 0;
  #lastAskAt = 0;

  /**
   * @param units what the request costs
   * @param budgetMs how long it may be in flight
   * @param waitedMs for how long it has been told to wait so far
   */
  spend(
    subject: Subject,
    units: number,
    budgetMs: number,
    now: number,
    waitedMs = 0,
  ): Spent | Refused | Asking | Waiting {
    if (waitedMs === 0) this.#notice(units, now);
    const fromUnits = limitsUnits(subject)
      ? this.#leases.find((lease) => lease.units >= units && lease.unitsUntil > now)
      : null;
    const fromSlots = limitsSlots(subject)
      ? this.#leases.find((lease) => lease.freeSlots > 0 && lease.slotsUntil >= now + budgetMs)
      : null;
    if (fromUnits === undefined || fromSlots === undefined) {
      const refused = this.#stillRefused(now);
      if (refused) return refused;
    }
    if (fromUnits === undefined && fromSlots !== undefined && this.#othersAsk(waitedMs, now)) return WAITING;
    if (fromUnits) fromUnits.units -= units;
    if (fromSlots) occupy(fromSlots);
    if (fromUnits !== undefined && fromSlots !== undefined) return { kind: "admitted", units, fromUnits, fromSlots };
    const needUnits = fromUnits === undefined ? units : 0;
    const needSlots = fromSlots === undefined ? 1 : 0;
    const ask: LeaseAsk = {
      ...this.#header(subject, now),
      needUnits,
      wantUnits: needUnits === 0 ? 0 : needUnits + this.#wanted(),
      needSlots,
      wantSlots: needSlots,
      slotsLifeMs: Math.ceil(budgetMs) + (this.#scarce ? 0 : SLOT_REUSE_MS),
    };
    this.#asksOut++;
    this.#lastAskAt = now;
    return { kind: "asking", ask, units, fromUnits, fromSlots, askedAt: now };
  }

  /** What came of an ask. What the request itself needs was admitted by the owner, however long the answer took. */
  answered(asking: Asking, answer: LeaseAnswer, now: number): Spent | Refused {
    const { ask, units, askedAt } = asking;
    this.#asksOut--;
    this.#standings = answer.standings;
    this.#roundTripMs += SMOOTHING * (now - askedAt - this.#roundTripMs);
    if ("refusedBy" in answer) {
      this.#refusal = { answer, at: now };
      this.#putBack(asking);
      return { kind: "refused", refusal: answer, retryMs: retryMs(answer) };
    }
    const lease = this.#receive(ask, answer, askedAt, now);
    if (ask.needUnits > 0) lease.units -= ask.needUnits;
    if (ask.needSlots > 0) occupy(lease);
    return {
      kind: "admitted",
      units,
      fromUnits: asking.fromUnits === undefined ? lease : asking.fromUnits,
      fromSlots: asking.fromSlots === undefined ? lease : asking.fromSlots,
    };
  }

  /** No answer came. */
  giveUp(asking: Asking): void {
    this.#asksOut--;
    this.#putBack(asking);
  }

  /** What a request had taken that is not admitted after all. */
  #putBack({ units, fromUnits, fromSlots }: Asking): void {
    if (fromUnits?.closed) this.#settle(fromUnits, units, 0, false);
    else if (fromUnits) fromUnits.units += units;
    if (fromSlots) vacate(fromSlots);
  }

  /** @param used whether the request was worth its units; what was refused or failed after admission is credited to quotas */
  end({ units, fromUnits, fromSlots }: Spent, used: boolean, now: number): void {
    if (fromUnits && !used) {
      if (fromUnits.closed) this.#settle(fromUnits, 0, units, false);
      else fromUnits.refunded += units;
    }
    if (fromSlots) {
      vacate(fromSlots);
      fromSlots.idleSince = now;
    }
  }

  /** An ask ahead of the need, when what is at hand will not last until an answer could be here. */
  renewal(subject: Subject, now: number): LeaseAsk | undefined {
    if (this.#lifeMs === 0 || now < this.#renewingUntil || !limitsUnits(subject) || this.#stillRefused(now)) {
      return undefined;
    }
    const soon = now + 2 * this.#roundTripMs;
    const left = this.#leases.reduce((sum, { units, unitsUntil }) => (unitsUntil > soon ? sum + units : sum), 0);
    const wanted = this.#wanted();
    if (wanted === 0 || left > 2 * this.#roundTripMs * this.#unitsPerMs) return undefined;
    this.#renewingUntil = now + RENEWAL_MS;
    const none = { needUnits: 0, needSlots: 0, wantSlots: 0, slotsLifeMs: 0 };
    return { ...this.#header(subject, now), ...none, wantUnits: wanted };
  }

  renewed(ask: LeaseAsk, answer: LeaseAnswer | undefined, askedAt: number, now: number): void {
    this.#renewingUntil = 0;
    if (!answer) return;
    this.#standings = answer.standings;
    if ("refusedBy" in answer) return;
    this.#receive(ask, answer, askedAt, now);
  }

  /**
   * What should be told to the owner even if no request asks again: slots that lie idle, and units that were not used where a
   * quota counts them.
   */
  settlements(now: number): Settlement[] {
    this.#close(now);
    const settled = this.#settled;
    this.#settled = [];
    return settled;
  }

  /** When `settlements` will have something to tell; undefined when nothing is out, or it is seen to at the end of requests. */
  settleAt(): number | undefined {
    if (this.#settled.length > 0) return 0;
    let earliest: number | undefined;
    const by = (at: number) => {
      earliest = Math.min(earliest ?? at, at);
    };
    for (const lease of this.#leases) {
      if (lease.busySlots > 0) continue;
      if (lease.freeSlots > 0) by(lease.idleSince + this.#holdMs());
      else if (lease.metered && lease.units + lease.refunded > 0) by(lease.unitsUntil);
    }
    return earliest;
  }

  /** Where the limits stand, as last told by the owner, with what is at hand here. */
  standings(now: number): LimitStanding[] {
    let units = 0;
    let slots = 0;
    for (const lease of this.#leases) {
      if (lease.unitsUntil > now) units += lease.units;
      if (lease.slotsUntil > now) slots += lease.freeSlots;
    }
    return this.#standings.map((standing) => ({
      ...standing,
      remaining: standing.remaining + (standing.kind === "concurrency" ? slots : units),
    }));
  }

  #receive(ask: LeaseAsk, grant: LeaseGrant, askedAt: number, now: number): Lease {
    this.#refusal = undefined;
    this.#scarce = grant.scarce;
    this.#lifeMs = grant.unitsLifeMs;
    this.#close(now);
    const lease: Lease = {
      id: grant.lease,
      accounts: ask.accounts.map(({ name }) => name),
      grantedAt: grant.grantedAt,
      metered: ask.accounts.some(({ limits }) => limits.quotaPerDay !== null || limits.quotaPerMonth !== null),
      units: grant.units,
      unitsUntil: askedAt + grant.unitsLifeMs,
      refunded: 0,
      freeSlots: grant.slots,
      busySlots: 0,
      slotsUntil: askedAt + ask.slotsLifeMs,
      idleSince: now,
      closed: false,
    };
    this.#leases.push(lease);
    return lease;
  }

  /** Slots that were idle for long enough, and leases of which nothing can be used any more, become settlements. */
  #close(now: number): void {
    const surplus = this.#leases.length - MOST_LEASES;
    this.#leases = this.#leases.filter((lease, index) => {
      const crowded = index < surplus;
      if (lease.slotsUntil <= now) {
        // The owner has taken them back by itself.
        lease.freeSlots = 0;
        lease.busySlots = 0;
      } else if (lease.freeSlots > 0 && lease.busySlots === 0 && (crowded || lease.idleSince + this.#holdMs() <= now)) {
        lease.freeSlots = 0;
        this.#settle(lease, 0, 0, true);
      }
      const isOver = (lease.unitsUntil <= now || lease.units === 0) && lease.freeSlots + lease.busySlots === 0;
      if (!isOver && !crowded) return true;
      this.#settle(lease, lease.units, lease.refunded, false);
      lease.closed = true;
      return false;
    });
  }

  #settle({ id, accounts, grantedAt }: Lease, unspent: number, refunded: number, slots: boolean): void {
    if (unspent + refunded === 0 && !slots) return;
    this.#settled.push({ lease: id, accounts: [...accounts], unspent, refunded, grantedAt, slots });
    // What is forgotten stays charged.
    if (this.#settled.length > MOST_SETTLEMENTS) this.#settled.shift();
  }

  #holdMs(): number {
    return this.#scarce ? 0 : SLOT_HOLD_MS;
  }

  #header({ version, accounts }: Subject, now: number) {
    return { version, accounts: [...accounts], settled: this.settlements(now) };
  }

  #stillRefused(now: number): Refused | undefined {
    if (!this.#refusal) return undefined;
    const { answer, at } = this.#refusal;
    const passed = now - at;
    if (passed < 0 || passed >= answer.quietMs) return undefined;
    return { kind: "refused", refusal: answer, retryMs: retryMs(answer) - passed };
  }

  /** Whether enough asks are on their way to bring units for this request too. */
  #othersAsk(waitedMs: number, now: number): boolean {
    // Whoever asked may have died; then nobody has asked for a while.
    const areAlive = now - this.#lastAskAt < PATIENCE_MS;
    return this.#asksOut >= MOST_ASKS && areAlive && waitedMs < PATIENCE_MS && this.#lifeMs > this.#roundTripMs;
  }

  /** Units that the demand uses up in a lease's life; none where it would be over when it arrives. */
  #wanted(): number {
    return this.#lifeMs <= this.#roundTripMs ? 0 : Math.floor(this.#lifeMs * this.#unitsPerMs);
  }

  #notice(units: number, now: number): void {
    const passed = now - this.#windowStart;
    if (passed >= DEMAND_WINDOW_MS || passed < 0) {
      // Silence counts: after a pause the demand is what it was spread over the pause.
      const weight = passed < 0 ? 1 : 1 - (1 - SMOOTHING) ** (passed / DEMAND_WINDOW_MS);
      this.#unitsPerMs += weight * (this.#windowUnits / Math.max(passed, DEMAND_WINDOW_MS) - this.#unitsPerMs);
      this.#windowUnits = 0;
      this.#windowStart = now;
    }
    this.#windowUnits += units;
  }
}

/** Before the isolate asks again nothing can be admitted here, whatever there is. */
function retryMs(answer: LeaseRefusal): number {
  return Math.max(answer.retryMs, answer.quietMs);
}

function limitsUnits({ accounts }: Subject): boolean {
  return accounts.some(
    ({ limits }) => limits.rate !== null || limits.quotaPerDay !== null || limits.quotaPerMonth !== null,
  );
}

function limitsSlots({ accounts }: Subject): boolean {
  return accounts.some(({ limits }) => limits.concurrency !== null);
}

function occupy(lease: Lease): void {
  lease.freeSlots--;
  lease.busySlots++;
}

function vacate(lease: Lease): void {
  // Slots whose life is over are the owner's again.
  if (lease.busySlots === 0) return;
  lease.busySlots--;
  lease.freeSlots++;
}
