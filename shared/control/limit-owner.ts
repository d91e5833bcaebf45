/**
 * The owner of a tenant's limits: what it grants is what may be spent, wherever in the world.
 *
 * Promises, whatever isolates do, crash or lose:
 * - in any window of W at most `burst + rate * W` units are admitted (`lease-life.ts` has the arithmetic);
 * - never more than `concurrency` slots are out; a slot whose isolate is gone is free again after its life;
 * - never more than its quota is granted in a day or a month.
 * Worst case: units of an isolate that dies, or whose settlement is lost, stay charged: to the rate for as long as it takes
 * to refill, to the quota for the period. Refused asks charge nothing.
 *
 * Pure but for its own state: the clock is handed in, the ids too. Who keeps the state reads `dirty` after each call.
 */
import { availableUnits, waitForBurst, waitForUnits } from "./gcra.ts";
import { availableSurplus, LONGEST_LIFE_MS, leaseLifeMs } from "./lease-life.ts";
import type { Account, LeaseAnswer, LeaseAsk, LimitKind, LimitStanding, Settlement } from "./lease-messages.ts";
import { dayEndsInMs, dayOf, daysInMonth, monthEndsInMs, monthOf } from "./quota-period.ts";
import { afterGrant, afterReturn, type DebtLows } from "./standing-debt.ts";

/** What is spent of one account. */
export interface AccountState {
  /** Newest limits seen, and the configuration that they are from. */
  version: number;
  limits: Account["limits"];
  tat: number;
  /** What is still owed of earlier grants, and so may be credited. */
  debtLows: DebtLows;
  day: number;
  dayUnits: number;
  month: number;
  monthUnits: number;
}

/** Slots that are out. */
export interface SlotLease {
  readonly accounts: readonly string[];
  readonly slots: number;
  readonly expiresAt: number;
}

/** What is short for milliseconds only: slots. */
const QUIET_LEAST_MS = 5;
const QUIET_LONGEST_MS = 10_000;
/** Of a lease's life: meanwhile the bucket refills without running over. */
const QUIET_SHARE_OF_LIFE = 0.25;
/** Asks a second that an owner wants at the most; refused isolates are quiet for longer above it. */
const ASKS_PER_SECOND = 200;
const ASK_WINDOW_MS = 1_000;

interface Shortage {
  readonly refusedBy: LimitKind;
  readonly account: string;
  readonly retryMs: number;
}

export class LimitOwner {
  readonly accounts: Map<string, AccountState>;
  readonly slots: Map<string, SlotLease>;
  /** Names of accounts and ids of slot leases that changed since they were last cleared. */
  readonly dirty = { accounts: new Set<string>(), slots: new Set<string>() };
  #asks = 0;
  #askWindowStart = 0;
  /** How many times longer than usual refused isolates are quiet, so that all of them together keep to ASKS_PER_SECOND. */
  #crowd = 1;

  constructor(
    accounts: Iterable<readonly [string, AccountState]> = [],
    slots: Iterable<readonly [string, SlotLease]> = [],
  ) {
    this.accounts = new Map(accounts);
    this.slots = new Map(slots);
  }

  /**
   * @param lease the id that a grant will have
   * @param random 0 to 1, so that isolates which are refused together do not come back together
   */
  ask(ask: LeaseAsk, lease: string, now: number, random: number): LeaseAnswer {
    this.#countAsk(now);
    for (const settlement of ask.settled) this.settle(settlement);
    this.#expireSlots(now);
    const states = ask.accounts.map((account) => this.#account(account, ask.version, now));

    const names = ask.accounts.map(({ name }) => name);
    const unitsLifeMs = Math.min(
      LONGEST_LIFE_MS,
      ...states.map(({ limits }) => (limits.rate ? leaseLifeMs(limits.rate) : LONGEST_LIFE_MS)),
    );
    const shortage = this.#shortage(ask, now);
    if (shortage) {
      const quietMs = this.#quiet(shortage, unitsLifeMs, random);
      return { ...shortage, quietMs, standings: this.standings(names, now) };
    }
    const free = Math.min(...names.map((name) => this.#freeSlots(name)));
    // Half of what is there: whoever asks next must find something too.
    const spare = Math.min(...states.map((state) => surplusOf(state, ask.needUnits, unitsLifeMs, now)));
    const surplus = unitsLifeMs === 0 ? 0 : Math.min(ask.wantUnits - ask.needUnits, Math.ceil(spare / 2));
    const slots = Math.min(ask.wantSlots, Math.max(ask.needSlots, Math.floor(free / 2)), free);
    const units = ask.needUnits + surplus;
    if (units > 0) {
      for (const state of states) charge(state, ask.needUnits, surplus, unitsLifeMs, now);
      for (const name of names) this.dirty.accounts.add(name);
    }
    if (slots > 0 && states.some(({ limits }) => limits.concurrency !== null)) {
      this.slots.set(lease, { accounts: names, slots, expiresAt: now + ask.slotsLifeMs });
      this.dirty.slots.add(lease);
    }
    return {
      lease,
      units,
      unitsLifeMs,
      slots,
      scarce: names.some((name) => this.#areScarce(name)),
      grantedAt: now,
      standings: this.standings(names, now),
    };
  }

  settle({ lease, accounts, unspent, refunded, grantedAt, slots }: Settlement): void {
    if (slots && this.slots.delete(lease)) this.dirty.slots.add(lease);
    if (unspent + refunded === 0) return;
    for (const name of accounts) {
      const state = this.accounts.get(name);
      if (!state) continue;
      const { rate } = state.limits;
      if (rate) Object.assign(state, afterReturn(state, unspent, grantedAt, rate));
      const credit = unspent + refunded;
      if (state.day === dayOf(grantedAt)) state.dayUnits = Math.max(0, state.dayUnits - credit);
      if (state.month === monthOf(grantedAt)) state.monthUnits = Math.max(0, state.monthUnits - credit);
      this.dirty.accounts.add(name);
    }
  }

  #account({ name, limits }: Account, version: number, now: number): AccountState {
    let state = this.accounts.get(name);
    if (!state) {
      state = {
        version,
        limits,
        tat: 0,
        debtLows: [],
        day: dayOf(now),
        dayUnits: 0,
        month: monthOf(now),
        monthUnits: 0,
      };
      this.accounts.set(name, state);
      this.dirty.accounts.add(name);
    }
    if (version > state.version) {
      state.version = version;
      state.limits = limits;
      this.dirty.accounts.add(name);
    }
    if (state.day !== dayOf(now)) Object.assign(state, { day: dayOf(now), dayUnits: 0 });
    if (state.month !== monthOf(now)) Object.assign(state, { month: monthOf(now), monthUnits: 0 });
    return state;
  }

  /** The limit that holds the ask up for longest, if one does. */
  #shortage({ accounts, needUnits, needSlots }: LeaseAsk, now: number): Shortage | undefined {
    let worst: Shortage | undefined;
    const meet = (refusedBy: LimitKind, account: string, retryMs: number) => {
      if (retryMs > 0 && retryMs > (worst?.retryMs ?? 0)) worst = { refusedBy, account, retryMs };
    };
    for (const { name } of accounts) {
      const state = this.accounts.get(name);
      if (!state) continue;
      const { rate, concurrency, quotaPerDay, quotaPerMonth } = state.limits;
      if (rate) meet("rate", name, waitForUnits(state.tat, needUnits, rate, now));
      if (quotaPerDay !== null && state.dayUnits + needUnits > quotaPerDay) meet("day", name, dayEndsInMs(now));
      if (quotaPerMonth !== null && state.monthUnits + needUnits > quotaPerMonth) {
        meet("month", name, monthEndsInMs(now));
      }
      if (concurrency !== null && needSlots > this.#freeSlots(name)) meet("concurrency", name, QUIET_LEAST_MS);
    }
    return worst;
  }

  #quiet({ refusedBy, retryMs }: Shortage, unitsLifeMs: number, random: number): number {
    // A quota may be raised or credited at any moment, so its end is not waited for.
    const usual = {
      concurrency: QUIET_LEAST_MS,
      rate: Math.max(QUIET_LEAST_MS, Math.min(retryMs, LONGEST_LIFE_MS), QUIET_SHARE_OF_LIFE * unitsLifeMs),
      day: LONGEST_LIFE_MS,
      month: LONGEST_LIFE_MS,
    }[refusedBy];
    return Math.min(QUIET_LONGEST_MS, usual * this.#crowd) * (0.5 + random / 2);
  }

  #countAsk(now: number): void {
    const passed = now - this.#askWindowStart;
    if (passed >= ASK_WINDOW_MS || passed < 0) {
      const perSecond = passed < 0 ? 0 : (this.#asks * 1000) / passed;
      this.#crowd = Math.min(QUIET_LONGEST_MS, Math.max(1, (this.#crowd * perSecond) / ASKS_PER_SECOND));
      this.#asks = 0;
      this.#askWindowStart = now;
    }
    this.#asks++;
  }

  /** Less than half are left: none should lie idle anywhere. */
  #areScarce(name: string): boolean {
    const concurrency = this.accounts.get(name)?.limits.concurrency ?? null;
    return concurrency !== null && this.#freeSlots(name) < concurrency / 2;
  }

  #freeSlots(name: string): number {
    const concurrency = this.accounts.get(name)?.limits.concurrency ?? null;
    if (concurrency === null) return Number.MAX_SAFE_INTEGER;
    let out = 0;
    for (const lease of this.slots.values()) if (lease.accounts.includes(name)) out += lease.slots;
    return Math.max(0, concurrency - out);
  }

  #expireSlots(now: number): void {
    for (const [lease, { expiresAt }] of this.slots) {
      if (expiresAt > now) continue;
      this.slots.delete(lease);
      this.dirty.slots.add(lease);
    }
  }

  /** Where the limits of these accounts stand. */
  standings(accounts: readonly string[], now: number): LimitStanding[] {
    const standings: LimitStanding[] = [];
    for (const account of accounts) {
      const state = this.accounts.get(account);
      if (!state) continue;
      const { rate, concurrency, quotaPerDay, quotaPerMonth } = state.limits;
      const add = (
        kind: LimitKind,
        quota: number,
        windowSeconds: number | null,
        remaining: number,
        resetMs: number | null,
      ) => standings.push({ kind, account, quota, windowSeconds, remaining: Math.max(0, remaining), resetMs });
      if (rate) {
        // A bucket of that size, which is full again after the window (draft-ietf-httpapi-ratelimit-headers, 3).
        const window = Math.max(1, Math.ceil(rate.burst / rate.perSecond));
        add("rate", rate.burst, window, availableUnits(state.tat, rate, now), waitForBurst(state.tat, now));
      }
      if (concurrency !== null) add("concurrency", concurrency, null, this.#freeSlots(account), null);
      if (quotaPerDay !== null) add("day", quotaPerDay, 86_400, quotaPerDay - state.dayUnits, dayEndsInMs(now));
      if (quotaPerMonth !== null) {
        add(
          "month",
          quotaPerMonth,
          daysInMonth(state.month) * 86_400,
          quotaPerMonth - state.monthUnits,
          monthEndsInMs(now),
        );
      }
    }
    return standings;
  }
}

function surplusOf(
  { limits, tat, dayUnits, monthUnits }: AccountState,
  needed: number,
  lifeMs: number,
  now: number,
): number {
  const { rate, quotaPerDay, quotaPerMonth } = limits;
  const spare = Math.min(
    rate ? availableSurplus(tat, needed, lifeMs, rate, now) : Number.MAX_SAFE_INTEGER,
    quotaPerDay === null ? Number.MAX_SAFE_INTEGER : quotaPerDay - dayUnits - needed,
    quotaPerMonth === null ? Number.MAX_SAFE_INTEGER : quotaPerMonth - monthUnits - needed,
  );
  return Math.max(0, spare);
}

function charge(state: AccountState, needed: number, surplus: number, lifeMs: number, now: number): void {
  const { rate } = state.limits;
  if (rate) Object.assign(state, afterGrant(state, needed, surplus, lifeMs, rate, now));
  state.dayUnits += needed + surplus;
  state.monthUnits += needed + surplus;
}
