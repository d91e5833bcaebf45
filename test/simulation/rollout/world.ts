/**
 * A rollout in a world of callers: requests come as they like, callers keep their version and differ in what they ask,
 * load drifts, errors come in bursts, isolates tell what they saw one tick late. The controller is the real one; only
 * the versions are simulated.
 */
import { observe } from "../../../shared/control/distribution.ts";
import { candidatePercentage, next, started } from "../../../shared/control/rollout/rollout-controller.ts";
import {
  newEvidence,
  type RolloutEvidence,
  type VersionEvidence,
} from "../../../shared/control/rollout/rollout-evidence.ts";
import type { RolloutPlan } from "../../../shared/control/rollout/rollout-plan.ts";
import type { RolloutState } from "../../../shared/control/rollout/rollout-state.ts";
import { Random } from "../limits/random.ts";

export interface Behaviour {
  /** Times the stable version's latency. */
  readonly slower: number;
  /** Shares of the requests. */
  readonly errors: number;
  readonly nonFinite: number;
  /** Share of the shadows that agree. */
  readonly agreement: number;
}

export const GOOD: Behaviour = { slower: 1, errors: 0.001, nonFinite: 0, agreement: 0.99 };

export interface WorldOptions {
  readonly plan: RolloutPlan;
  readonly candidate: Behaviour;
  readonly seed: number;
  /** Requests a second, both versions together. */
  readonly perSecond: number;
  /** After so much simulated time the simulation ends, whatever the rollout does. */
  readonly seconds: number;
  /** From when on the candidate behaves so; before, it is good. */
  readonly turnsAtSeconds?: number;
  /** Latencies of both versions rise and fall by this share, and bursts of errors hit both. */
  readonly weather?: { readonly drift: number; readonly burstErrors: number };
  /** Whose evidence reaches the controller. */
  readonly heard?: { readonly stable: boolean; readonly candidate: boolean };
}

export interface WorldReport {
  readonly state: RolloutState;
  /** Simulated time until the end. */
  readonly seconds: number;
  /** The largest percentage that the candidate got. */
  readonly percentage: number;
}

const TICK_MS = 2_000;
const MEDIAN_MS = 50;
/**
 * Of the logarithm of latencies, of one caller's requests and of callers among themselves: p99 is about three times the
 * median.
 */
const SIGMA = 0.46;
const CALLER_SIGMA = 0.2;
const CALLERS = 400;
const DRIFT_PERIOD_MS = 300_000;
const BURST_MS = 3_000;
const BURST_EVERY_MS = 40_000;

interface Caller {
  readonly fraction: number;
  readonly slower: number;
  readonly errors: number;
}

export function simulateRollout(options: WorldOptions): WorldReport {
  return new World(options).run();
}

class World {
  readonly #options: Required<WorldOptions>;
  readonly #random: Random;
  readonly #callers: readonly Caller[];
  readonly #phase: number;
  #burstUntil = 0;
  #nextBurst: number;
  #spareNormal: number | undefined;

  constructor(options: WorldOptions) {
    this.#options = {
      ...{ turnsAtSeconds: 0, weather: { drift: 0, burstErrors: 0 } },
      ...{ heard: { stable: true, candidate: true } },
      ...options,
    };
    this.#random = new Random(options.seed);
    this.#callers = Array.from({ length: CALLERS }, () => ({
      fraction: this.#random.next(),
      slower: Math.exp(CALLER_SIGMA * this.#normal()),
      errors: 2 * this.#random.next(),
    }));
    this.#phase = 2 * Math.PI * this.#random.next();
    this.#nextBurst = this.#random.exponential(BURST_EVERY_MS);
  }

  run(): WorldReport {
    const { plan, seconds } = this.#options;
    let state: RolloutState = started(0);
    let percentage = 0;
    let late = newEvidence();
    let now = 0;
    while (now < seconds * 1000 && state.kind === "running") {
      const share = candidatePercentage(plan, state);
      percentage = Math.max(percentage, share);
      const evidence = this.#heard(this.#tick(now, share / 100));
      now += TICK_MS;
      ({ state } = next(plan, state, late, now));
      late = evidence;
    }
    return { state, seconds: now / 1000, percentage };
  }

  #heard({ stable, candidate, shadow }: RolloutEvidence): RolloutEvidence {
    const { heard } = this.#options;
    const nothing = newEvidence();
    return {
      stable: heard.stable ? stable : nothing.stable,
      candidate: heard.candidate ? candidate : nothing.candidate,
      shadow: heard.stable && heard.candidate ? shadow : nothing.shadow,
    };
  }

  #tick(from: number, share: number) {
    const { plan, perSecond } = this.#options;
    const evidence = newEvidence();
    for (let at = from + this.#gap(perSecond); at < from + TICK_MS; at += this.#gap(perSecond)) {
      const caller = this.#callers[this.#random.below(CALLERS)];
      if (!caller) continue;
      const load = this.#loadAt(at);
      const burst = this.#burstAt(at);
      const candidate = this.#behaviourAt(at);
      if (caller.fraction < share) {
        this.#serve(evidence.candidate, candidate, caller, load, burst, true);
        continue;
      }
      const answered = this.#serve(evidence.stable, GOOD, caller, load, burst, true);
      if (!answered || !this.#random.chance(plan.shadowShare)) continue;
      // A shadow waits for everybody else, so how long it took is not told.
      if (!this.#serve(evidence.candidate, candidate, caller, load, burst, false)) continue;
      evidence.shadow.compared++;
      if (this.#random.chance(candidate.agreement)) evidence.shadow.agreeing++;
    }
    return evidence;
  }

  /** @returns whether it was answered */
  #serve(into: VersionEvidence, of: Behaviour, caller: Caller, load: number, burst: number, isTimed: boolean): boolean {
    into.requests++;
    if (this.#random.chance(of.errors * caller.errors + burst)) {
      into.errors++;
      return false;
    }
    if (of.nonFinite > 0 && this.#random.chance(of.nonFinite)) into.nonFinite++;
    const latency = MEDIAN_MS * of.slower * caller.slower * load * Math.exp(SIGMA * this.#normal());
    if (isTimed) observe(into.latencyMs, latency);
    return true;
  }

  #behaviourAt(at: number): Behaviour {
    return at < this.#options.turnsAtSeconds * 1000 ? GOOD : this.#options.candidate;
  }

  #loadAt(at: number): number {
    const { drift } = this.#options.weather;
    return drift === 0 ? 1 : 1 + drift * Math.sin(this.#phase + (2 * Math.PI * at) / DRIFT_PERIOD_MS);
  }

  #burstAt(at: number): number {
    const { burstErrors } = this.#options.weather;
    if (burstErrors === 0) return 0;
    if (at >= this.#nextBurst) {
      this.#burstUntil = this.#nextBurst + BURST_MS;
      this.#nextBurst += BURST_MS + this.#random.exponential(BURST_EVERY_MS);
    }
    return at < this.#burstUntil ? burstErrors : 0;
  }

  #gap(perSecond: number): number {
    return this.#random.exponential(1000 / perSecond);
  }

  /** Box and Muller, which makes two at a time. */
  #normal(): number {
    const spare = this.#spareNormal;
    if (spare !== undefined) {
      this.#spareNormal = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.#random.next()));
    const angle = 2 * Math.PI * this.#random.next();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}
