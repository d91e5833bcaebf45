/**
 * A tenant's limits, spent all over the world: isolates at many sites, an owner far away, a network that delays and loses messages
 * both ways, isolates that die without a word. The limiter itself is the real one; only time and network are simulated.
 *
 * A unit counts as admitted when it was taken: by the owner for what a waiting request needed, by the isolate for what it spends from
 * a lease. That is held against the limit as the tenant was told it, over every window, by running the admissions through GCRA.
 */
import { availableUnits, takeUnits } from "../../../shared/control/gcra.ts";
import { type Asking, LeaseAccount, type Spent, type Subject } from "../../../shared/control/lease-account.ts";
import type { LeaseAsk } from "../../../shared/control/lease-messages.ts";
import { LimitOwner } from "../../../shared/control/limit-owner.ts";
import { type LimitOverrides, overlay, UNLIMITED } from "../../../shared/protocol/tenant-limits.ts";
import { EventClock } from "../event-clock.ts";
import { Random } from "./random.ts";

export interface WorldOptions {
  readonly limits: LimitOverrides;
  readonly sites: number;
  readonly isolatesPerSite: number;
  /** Requests a second that arrive at a moment, everywhere together. */
  readonly arrivalsPerSecond: (second: number) => number;
  readonly seconds: number;
  readonly seed: number;
  /** What a request costs; 1 unless given. */
  readonly units?: number;
  /** Mean and longest time of a request, milliseconds. */
  readonly serviceMs?: number;
  readonly budgetMs?: number;
  /** Share of messages between isolate and owner that are lost, each way. */
  readonly lost?: number;
  /** Share of requests after which the isolate dies at once. */
  readonly crashes?: number;
  /** Share of admitted requests that come to nothing. */
  readonly failing?: number;
}

export interface WorldReport {
  readonly offered: number;
  readonly admitted: number;
  /** What a limiter would have admitted that every isolate could ask in no time. */
  readonly ideal: number;
  /** Units above `burst + rate * W` in the worst window; never above 0. */
  readonly worstExcess: number;
  readonly mostInFlight: number;
  /** Share of requests that were decided without asking the owner. */
  readonly withoutHop: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly asksPerSecond: number;
  /** Of the units that were granted: neither spent nor given back. */
  readonly wasted: number;
  /** Of the admitted: used in the end. */
  readonly used: number;
  /** What the owner has on the quota's account at the end. */
  readonly charged: number;
  /** Slots that are out at the end, after everything has expired. */
  readonly slotsLeft: number;
}

/** Early: with today's dates doubles round TATs to a quarter of a microsecond, which adds up to 0.3 of a unit in 4,000. */
const START_MS = Date.UTC(1970, 0, 15, 12);
const NEAREST_MS = 5;
const FARTHEST_MS = 250;
/** As the edge does. */
const WAIT_STEP_MS = 5;

export function simulateWorld(options: WorldOptions): WorldReport {
  return new World(options).run();
}

class World {
  readonly #options: Required<WorldOptions>;
  readonly #random: Random;
  readonly #clock = new EventClock();
  readonly #owner = new LimitOwner();
  readonly #subject: Subject;
  readonly #isolates = new Map<number, { account: LeaseAccount; wakesAt: number }>();
  readonly #latencies: number[] = [];
  #leases = 0;
  #offered = 0;
  #admitted = 0;
  #used = 0;
  #granted = 0;
  #returned = 0;
  #asks = 0;
  #hops = 0;
  #inFlight = 0;
  #mostInFlight = 0;
  #ideal = 0;
  #idealTat = 0;
  #idealInFlight = 0;
  /** When the units of each admitted request were taken. */
  readonly #takings: number[] = [];

  constructor(options: WorldOptions) {
    this.#options = {
      ...{ units: 1, serviceMs: 20, budgetMs: 2_000, lost: 0, crashes: 0, failing: 0 },
      ...options,
    };
    this.#random = new Random(options.seed);
    this.#subject = { version: 1, accounts: [{ name: "tenant", limits: leasable(options.limits) }] };
  }

  run(): WorldReport {
    const { seconds, limits } = this.#options;
    const end = seconds * 1000;
    this.#clock.runUntil(end, this.#arrivals());
    // Everything that is out comes back or expires.
    this.#clock.runUntil(end + 120_000, [][Symbol.iterator]());
    const now = this.#now();
    const rest = { needUnits: 0, wantUnits: 0, needSlots: 0, wantSlots: 0, slotsLifeMs: 0, settled: [] };
    this.#owner.ask({ ...this.#subject, accounts: [...this.#subject.accounts], ...rest }, "last", now, 0.5);
    const sorted = this.#latencies.sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    const spent = this.#admitted * this.#options.units;
    return {
      offered: this.#offered,
      admitted: this.#admitted,
      ideal: this.#ideal,
      worstExcess: this.#worstExcess(),
      mostInFlight: this.#mostInFlight,
      withoutHop: 1 - this.#hops / Math.max(1, this.#offered),
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      asksPerSecond: this.#asks / seconds,
      wasted: limits.rate ? (this.#granted - spent - this.#returned) / Math.max(1, this.#granted) : 0,
      used: this.#used,
      charged: this.#owner.accounts.get("tenant")?.monthUnits ?? 0,
      slotsLeft: this.#owner.slots.size,
    };
  }

  *#arrivals() {
    const { sites, isolatesPerSite, arrivalsPerSecond, seconds } = this.#options;
    let at = 0;
    while (at < seconds * 1000) {
      const rate = arrivalsPerSecond(at / 1000);
      if (rate <= 0) {
        at = Math.floor(at / 100 + 1) * 100;
        continue;
      }
      at += this.#random.exponential(1000 / rate);
      const isolate = this.#random.below(sites * isolatesPerSite);
      yield { at, happen: () => this.#request(isolate) };
    }
  }

  #request(isolate: number): void {
    const { crashes } = this.#options;
    this.#offered++;
    this.#askIdeal(this.#now());
    let entry = this.#isolates.get(isolate);
    if (!entry) {
      entry = { account: new LeaseAccount(), wakesAt: Number.POSITIVE_INFINITY };
      this.#isolates.set(isolate, entry);
    }
    const { account } = entry;
    const startedAt = this.#now();
    this.#attempt(isolate, account, startedAt, 0);
    if (this.#random.chance(crashes)) this.#isolates.delete(isolate);
  }

  #attempt(isolate: number, account: LeaseAccount, startedAt: number, waitedMs: number): void {
    const { units, budgetMs } = this.#options;
    const now = this.#now();
    const admission = account.spend(this.#subject, units, budgetMs, now, waitedMs);
    if (admission.kind === "waiting") {
      if (waitedMs === 0) this.#hops++;
      this.#clock.schedule(WAIT_STEP_MS, () => this.#attempt(isolate, account, startedAt, waitedMs + WAIT_STEP_MS));
      return;
    }
    if (admission.kind === "refused") this.#refused(now - startedAt);
    else if (admission.kind === "asking") {
      if (waitedMs === 0) this.#hops++;
      this.#ask(isolate, account, admission, startedAt);
      return;
    } else {
      this.#takings.push(now);
      this.#latencies.push(now - startedAt);
      this.#admit(isolate, account, admission);
    }
    const renewal = account.renewal(this.#subject, now);
    if (renewal) this.#renew(isolate, account, renewal, now);
  }

  #ask(isolate: number, account: LeaseAccount, asking: Asking, startedAt: number): void {
    const [up, down] = this.#latency(isolate);
    if (this.#isLost()) {
      this.#clock.schedule(2_000, () => this.#giveUp(isolate, account, asking));
      return;
    }
    this.#clock.schedule(up, () => {
      const answer = this.#askOwner(asking.ask);
      // One that had its units and asked for a slot only puts them back when it does not hear of it.
      const ownerTook = !("refusedBy" in answer) && !asking.fromUnits;
      if (ownerTook) this.#takings.push(this.#now());
      const isDead = this.#isolates.get(isolate)?.account !== account;
      if (this.#isLost() || isDead) {
        // The caller never hears of it, but the owner has admitted it.
        if (ownerTook) this.#admitted++;
        if (!isDead) this.#clock.schedule(2_000, () => this.#giveUp(isolate, account, asking));
        return;
      }
      this.#clock.schedule(down, () => {
        const outcome = account.answered(asking, answer, this.#now());
        if (outcome.kind === "admitted") {
          if (asking.fromUnits) this.#takings.push(asking.askedAt);
          this.#latencies.push(this.#now() - startedAt);
          this.#admit(isolate, account, outcome);
        } else {
          this.#refused(this.#now() - startedAt);
          this.#settleLater(isolate, account);
        }
      });
    });
  }

  #giveUp(isolate: number, account: LeaseAccount, asking: Asking): void {
    account.giveUp(asking);
    this.#settleLater(isolate, account);
  }

  #renew(isolate: number, account: LeaseAccount, ask: LeaseAsk, askedAt: number): void {
    const [up, down] = this.#latency(isolate);
    if (this.#isLost()) return;
    this.#clock.schedule(up, () => {
      const answer = this.#askOwner(ask);
      if (this.#isLost()) return;
      this.#clock.schedule(down, () => {
        account.renewed(ask, answer, askedAt, this.#now());
        this.#settleLater(isolate, account);
      });
    });
  }

  #askOwner(ask: LeaseAsk) {
    this.#asks++;
    for (const { unspent } of ask.settled) this.#returned += unspent;
    const answer = this.#owner.ask(ask, String(this.#leases++), this.#now(), this.#random.next());
    this.#owner.dirty.accounts.clear();
    this.#owner.dirty.slots.clear();
    if (!("refusedBy" in answer)) this.#granted += answer.units;
    return answer;
  }

  #admit(isolate: number, account: LeaseAccount, spent: Spent): void {
    const { serviceMs, budgetMs, failing } = this.#options;
    this.#admitted++;
    this.#inFlight++;
    this.#mostInFlight = Math.max(this.#mostInFlight, this.#inFlight);
    const takesMs = Math.min(budgetMs, this.#random.exponential(serviceMs));
    this.#clock.schedule(takesMs, () => {
      this.#inFlight--;
      const used = !this.#random.chance(failing);
      if (used) this.#used++;
      account.end(spent, used, this.#now());
      this.#settleLater(isolate, account);
    });
  }

  #settleLater(isolate: number, account: LeaseAccount): void {
    const entry = this.#isolates.get(isolate);
    const at = account.settleAt();
    if (entry?.account !== account || at === undefined || entry.wakesAt <= Math.max(at, this.#now())) return;
    const wakesAt = Math.max(at, this.#now() + 1);
    entry.wakesAt = wakesAt;
    this.#clock.schedule(wakesAt - this.#now(), () => {
      if (entry.wakesAt === wakesAt) entry.wakesAt = Number.POSITIVE_INFINITY;
      if (this.#isolates.get(isolate) !== entry) return;
      const settlements = account.settlements(this.#now());
      if (settlements.length > 0 && !this.#isLost()) {
        this.#clock.schedule(this.#latency(isolate)[0], () => {
          this.#asks++;
          for (const settlement of settlements) {
            this.#returned += settlement.unspent;
            this.#owner.settle(settlement);
          }
        });
      }
      this.#settleLater(isolate, account);
    });
  }

  /** Units above `burst + rate * W` in the worst window: the admissions, run through GCRA by the tenant's own limit. */
  #worstExcess(): number {
    const { limits, units } = this.#options;
    if (!limits.rate) return Number.NEGATIVE_INFINITY;
    const interval = 1000 / limits.rate.perSecond;
    let worst = Number.NEGATIVE_INFINITY;
    let tat = 0;
    for (const taken of this.#takings.sort((a, b) => a - b)) {
      const at = taken - START_MS;
      tat = Math.max(tat, at) + units * interval;
      worst = Math.max(worst, (tat - at) / interval - limits.rate.burst);
    }
    return worst;
  }

  #refused(afterMs: number): void {
    this.#latencies.push(afterMs);
  }

  /** What a limiter would do that every isolate could ask in no time. */
  #askIdeal(at: number): void {
    const { limits, units, serviceMs } = this.#options;
    if (limits.concurrency) {
      if (this.#idealInFlight >= limits.concurrency) return;
      this.#idealInFlight++;
      this.#clock.schedule(this.#random.exponential(serviceMs), () => this.#idealInFlight--);
    }
    if (!limits.rate) {
      this.#ideal++;
      return;
    }
    if (availableUnits(this.#idealTat, limits.rate, at) < units) return;
    this.#idealTat = takeUnits(this.#idealTat, units, limits.rate, at);
    this.#ideal++;
  }

  #isLost(): boolean {
    return this.#random.chance(this.#options.lost);
  }

  /** Up and down, by the isolate's site, jittered by half. */
  #latency(isolate: number): readonly [up: number, down: number] {
    const { sites } = this.#options;
    const site = isolate % sites;
    const roundTrip = NEAREST_MS + ((FARTHEST_MS - NEAREST_MS) * site) / Math.max(1, sites - 1);
    const jittered = () => (roundTrip / 2) * (0.75 + this.#random.next() / 2);
    return [jittered(), jittered()];
  }

  #now(): number {
    return START_MS + this.#clock.now();
  }
}

function leasable(overrides: LimitOverrides) {
  const { rate, concurrency, quotaPerDay, quotaPerMonth } = overlay(UNLIMITED, overrides);
  return { rate, concurrency, quotaPerDay, quotaPerMonth };
}
