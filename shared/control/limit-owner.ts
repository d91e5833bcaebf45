/**
 * The owner of a tenant's limits: what it grants is what may be spent, wherever in the world.
 *
 * Promises, whatever isolates do, crash or lose:
 * - in any window of W at most `burst + rate * W` units are admitted (`lease-terms.ts` has the arithmetic);
 * - never more than `concurrency` slots are out; a slot whose isolate is gone is free again after its life;
 * - never more than its quota is granted in a day or a month.
 * Worst case: units of an isolate that dies, or whose settlement is lost, stay charged: to the rate for as long as it takes
 * to refill, to the quota for the period. Refused asks charge nothing.
 *
 * Pure but for its own state: the clock is handed in, the ids too. Who keeps the state reads `dirty` after each call.
 */
import { availableUnits, returnUnits, takeUnits, waitForBurst, waitForUnits } from "./gcra.ts";
import type { Account, LeaseAnswer, LeaseAsk, LimitKind, LimitStanding, Settlement } from "./lease-messages.ts";
import { LONGEST_LIFE_MS, leaseTerms } from "./lease-terms.ts";
import { dayEndsInMs, dayOf, daysInMonth, monthEndsInMs, monthOf } from "./quota-period.ts";

/** What is spent of one account. */
export interface AccountState {
  /** Newest limits seen, and the configuration that they are from. */
  version: number;
  limits: Account["limits"];
  tat: number;
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

const QUIET_LEAST_MS = 20;
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
  #asksPerSecond = 0;

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
    for (const settlement of ask.settled) this.settle(settlement, now);
    this.#expireSlots(now);
    const states = ask.accounts.map((account) => this.#account(account, ask.version, now));

    const shortage = this.#shortage(ask, now);
    if (shortage) {
      return {
        ...shortage,
        quietMs: this.#quiet(shortage, random),
        standings: this.standings(
          ask.accounts.map(({ name }) => name),
          now,
        ),
      };
    }
    const free = Math.min(...ask.accounts.map(({ name }) => this.#freeSlots(name)));
    const available = Math.min(...states.map((state) => unitsAvailable(state, ask.mostUnits, now)));
    // Half of what is there: whoever asks next must find something too.
    const units = Math.min(ask.wantUnits, Math.max(ask.needUnits, Math.ceil(available / 2)), available);
    const slots = Math.min(ask.wantSlots, Math.max(ask.needSlots, Math.floor(free / 2)), free);
    let unitsLifeMs = LONGEST_LIFE_MS;
    for (const [index, state] of states.entries()) {
      const name = ask.accounts[index]?.name ?? "";
      if (units > 0) {
        charge(state, units, now);
        this.dirty.accounts.add(name);
      }
      if (state.limits.rate) {
        unitsLifeMs = Math.min(unitsLifeMs, leaseTerms(state.limits.rate, ask.mostUnits).lifeMs);
      }
    }
    const limitsSlots = states.some(({ limits }) => limits.concurrency !== null);
    if (slots > 0 && limitsSlots) {
      const accounts = ask.accounts.map(({ name }) => name);
      this.slots.set(lease, { accounts, slots, expiresAt: now + ask.slotsLifeMs });
      this.dirty.slots.add(lease);
    }
    return {
      lease,
      units,
      unitsLifeMs,
      slots,
      scarce: limitsSlots && free - slots < slots + 1,
      day: dayOf(now),
      standings: this.standings(
        ask.accounts.map(({ name }) => name),
        now,
      ),
    };
  }

  settle({ lease, accounts, unspent, refunded, day, slots }: Settlement, now: number): void {
    if (slots && this.slots.delete(lease)) this.dirty.slots.add(lease);
    if (unspent + refunded === 0) return;
    for (const name of accounts) {
      const state = this.accounts.get(name);
      if (!state) continue;
      if (state.limits.rate) state.tat = returnUnits(state.tat, unspent, state.limits.rate);
      if (state.day === day && dayOf(now) === day) state.dayUnits = Math.max(0, state.dayUnits - unspent - refunded);
      if (monthOf(day * 86_400_000) === state.month) {
        state.monthUnits = Math.max(0, state.monthUnits - unspent - refunded);
      }
      this.dirty.accounts.add(name);
    }
  }

  #account({ name, limits }: Account, version: number, now: number): AccountState {
    let state = this.accounts.get(name);
    if (!state) {
      state = { version, limits, tat: 0, day: dayOf(now), dayUnits: 0, month: monthOf(now), monthUnits: 0 };
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
  #shortage({ accounts, mostUnits, needUnits, needSlots }: LeaseAsk, now: number): Shortage | undefined {
    let worst: Shortage | undefined;
    const meet = (refusedBy: LimitKind, account: string, retryMs: number) => {
      if (retryMs > 0 && retryMs > (worst?.retryMs ?? 0)) worst = { refusedBy, account, retryMs };
    };
    for (const { name } of accounts) {
      const state = this.accounts.get(name);
      if (!state) continue;
      const { rate, concurrency, quotaPerDay, quotaPerMonth } = state.limits;
      if (rate) meet("rate", name, waitForUnits(state.tat, needUnits, leaseTerms(rate, mostUnits).owner, now));
      if (quotaPerDay !== null && state.dayUnits + needUnits > quotaPerDay) meet("day", name, dayEndsInMs(now));
      if (quotaPerMonth !== null && state.monthUnits + needUnits > quotaPerMonth) {
        meet("month", name, monthEndsInMs(now));
      }
      if (concurrency !== null && needSlots > this.#freeSlots(name)) meet("concurrency", name, QUIET_LEAST_MS);
    }
    return worst;
  }

  /** More isolates that ask: longer quiet each, so that a flood of refused ones does not drown the owner. */
  #quiet({ refusedBy, retryMs }: Shortage, random: number): number {
    const crowd = Math.max(1, this.#asksPerSecond / ASKS_PER_SECOND);
    // A quota may be raised or credited at any moment: never quiet for longer than a lease lives.
    const usual = refusedBy === "rate" ? Math.max(QUIET_LEAST_MS, retryMs) : QUIET_LEAST_MS;
    const base = refusedBy === "day" || refusedBy === "month" ? LONGEST_LIFE_MS : usual;
    return Math.min(base, LONGEST_LIFE_MS) * crowd * (0.5 + random);
  }

  #countAsk(now: number): void {
    const passed = now - this.#askWindowStart;
    if (passed >= ASK_WINDOW_MS || passed < 0) {
      this.#asksPerSecond = passed >= 2 * ASK_WINDOW_MS || passed < 0 ? 0 : (this.#asks * 1000) / passed;
      this.#asks = 0;
      this.#askWindowStart = now;
    }
    this.#asks++;
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

function unitsAvailable(state: AccountState, mostUnits: number, now: number): number {
  const { rate, quotaPerDay, quotaPerMonth } = state.limits;
  return Math.max(
    0,
    Math.min(
      rate ? availableUnits(state.tat, leaseTerms(rate, mostUnits).owner, now) : Number.MAX_SAFE_INTEGER,
      quotaPerDay === null ? Number.MAX_SAFE_INTEGER : quotaPerDay - state.dayUnits,
      quotaPerMonth === null ? Number.MAX_SAFE_INTEGER : quotaPerMonth - state.monthUnits,
    ),
  );
}

function charge(state: AccountState, units: number, now: number): void {
  if (state.limits.rate) state.tat = takeUnits(state.tat, units, state.limits.rate, now);
  state.dayUnits += units;
  state.monthUnits += units;
}
