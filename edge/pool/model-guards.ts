/**
 * What keeps an isolate from sending what would be in vain: a breaker for each node and model, and for each tenant what the node said of
 * its load and a throttle. The controllers are pure (`shared/control/resilience`); here are their states.
 *
 * What a tenant would wait and how often it is refused is told by replies to that tenant alone: nothing of one shows in what another is
 * told, and a tenant that floods a node is throttled by itself.
 *
 * Bounded: by the nodes of the view and the models that they have, and `MOST_TENANTS` of what is by tenant.
 */
import {
  accepted,
  refused,
  rejectProbability,
  requested,
  type ThrottleState,
  UNTHROTTLED,
} from "../../shared/control/resilience/adaptive-throttle.ts";
import {
  allow,
  type BreakerState,
  type CallOutcome,
  CLOSED_BREAKER,
  ended,
  retryAfterMs,
} from "../../shared/control/resilience/circuit-breaker.ts";
import { attempted, newRetryBudget, retry } from "../../shared/control/resilience/retry-budget.ts";
import type { PriorityClass } from "../../shared/protocol/priority.ts";
import { BoundedMemo } from "../gate/bounded-memo.ts";

const MOST_TENANTS = 10_000;
const WORD_LIFE_MS = 10_000;
/** As long as a throttle looks back. */
const THROTTLE_LIFE_MS = 3_000;

/** What a node said to a tenant, with any of its replies. */
export interface NodeWord {
  /** What the tenant's next request of the default class would wait, in milliseconds. */
  readonly ownWaitMs: number;
  /** 1 to 512: importances from here on are not wanted. */
  readonly admissionLevel: number;
  /** When it was heard, in milliseconds. */
  readonly at: number;
}

interface Guard {
  readonly node: string;
  readonly model: string;
  breaker: BreakerState;
  /** When the node last replied to a request for the model, whatever it said. */
  spokeAt: number;
}

/** Whose requests for what, to whom. */
export interface Ask {
  readonly node: string;
  readonly model: string;
  readonly tenant: string;
  readonly priority: PriorityClass;
}

/** A breaker as operators and explanations see it. */
export interface BreakerView {
  readonly node: string;
  readonly model: string;
  readonly state: BreakerState["kind"];
  readonly retryAfterMs: number;
}

export class ModelGuards {
  readonly #guards = new Map<string, Guard>();
  readonly #words = new BoundedMemo<NodeWord>(MOST_TENANTS);
  readonly #throttles = new BoundedMemo<ThrottleState>(MOST_TENANTS);
  #budget = newRetryBudget();

  /** Forgets what is known of all other nodes. */
  retain(nodes: ReadonlySet<string>): void {
    for (const [name, { node }] of this.#guards) if (!nodes.has(node)) this.#guards.delete(name);
  }

  /** Milliseconds until the node may be asked for the model; 0: now. */
  closedForMs(node: string, model: string, now: number): number {
    const guard = this.#guards.get(`${node}/${model}`);
    return guard ? retryAfterMs(guard.breaker, now) : 0;
  }

  breakerOf(node: string, model: string): BreakerState["kind"] {
    return this.#guards.get(`${node}/${model}`)?.breaker.kind ?? "closed";
  }

  /** Those that are not closed, or have been open lately. */
  breakers(now: number): BreakerView[] {
    return [...this.#guards.values()]
      .filter(({ breaker }) => breaker.kind !== "closed" || breaker.openings > 0)
      .map(({ node, model, breaker }) => ({
        ...{ node, model, state: breaker.kind, retryAfterMs: retryAfterMs(breaker, now) },
      }));
  }

  /** With which probability a request is refused here, as the node refuses most of them. Counts it. */
  rejects(ask: Ask, now: number): number {
    const throttle = this.#throttle(ask, now);
    this.#throttles.set(nameOf(ask), requested(throttle, ask.priority, now), now + THROTTLE_LIFE_MS);
    return rejectProbability(throttle, ask.priority, now);
  }

  /** Whether a request was refused for load, by the node or here in its stead. */
  answered(ask: Ask, isRefused: boolean, now: number): void {
    const after = (isRefused ? refused : accepted)(this.#throttle(ask, now), ask.priority, now);
    this.#throttles.set(nameOf(ask), after, now + THROTTLE_LIFE_MS);
  }

  /** Takes a place of the breaker's. @returns whether a call may be sent; its end is to be told */
  begin(node: string, model: string, now: number): boolean {
    const guard = this.#of(node, model);
    const { allowed, state } = allow(guard.breaker, now);
    guard.breaker = state;
    return allowed;
  }

  ended(node: string, model: string, outcome: CallOutcome, begunAt: number, now: number): void {
    const guard = this.#of(node, model);
    guard.breaker = ended(guard.breaker, outcome, begunAt, now, Math.random());
  }

  /** Whether the node has replied to any request for the model since: then it is not dead, only late. */
  spokeSince(node: string, model: string, since: number): boolean {
    return (this.#guards.get(`${node}/${model}`)?.spokeAt ?? Number.NEGATIVE_INFINITY) >= since;
  }

  /** @param model undefined where it is not known which of the node's it is */
  heard(node: string, model: string | undefined, tenant: string, word: NodeWord): void {
    if (model !== undefined) this.#of(node, model).spokeAt = word.at;
    this.#words.set(`${node}/${tenant}`, word, word.at + WORD_LIFE_MS);
  }

  /** What the node said to the tenant last; undefined when that is long ago. */
  word(node: string, tenant: string, now: number): NodeWord | undefined {
    return this.#words.get(`${node}/${tenant}`, now);
  }

  /** A first attempt, which pays for a tenth of a retry. */
  attempted(): void {
    this.#budget = attempted(this.#budget);
  }

  /** @returns whether a retry may be sent, which then is paid for */
  retries(): boolean {
    const after = retry(this.#budget);
    if (!after) return false;
    this.#budget = after;
    return true;
  }

  #throttle(ask: Ask, now: number): ThrottleState {
    return this.#throttles.get(nameOf(ask), now) ?? UNTHROTTLED;
  }

  #of(node: string, model: string): Guard {
    const name = `${node}/${model}`;
    let guard = this.#guards.get(name);
    if (!guard) {
      guard = { node, model, breaker: CLOSED_BREAKER, spokeAt: Number.NEGATIVE_INFINITY };
      this.#guards.set(name, guard);
    }
    return guard;
  }
}

function nameOf({ node, model, tenant }: Ask): string {
  return `${node}/${model}/${tenant}`;
}
