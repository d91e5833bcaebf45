/**
 * What an isolate has found out itself about nodes, newer than what the directory says: how busy each said it was in its last
 * reply, what it has of this isolate's requests, how long its answers take, and whether it fails.
 *
 * Bounded by the nodes of the view.
 */
import type { NodeLoad } from "../../shared/control/routing/node-choice.ts";
import {
  type EjectionState,
  ejected,
  NOTHING_EJECTED,
  noted,
  type Outcome,
  retained,
} from "../../shared/control/routing/outlier-ejection.ts";
import type { KnownNode } from "../../shared/protocol/pool-node.ts";
import { ModelGuards } from "./model-guards.ts";
import type { PoolView } from "./pool-view.ts";

/** Weight of the newest answer in the mean of device times. */
const NEWEST = 0.1;
/** Of a node that has not answered this isolate yet, in milliseconds. */
const FIRST_RUN_MS = 5;

interface NodeState {
  /** As it said in its last reply; undefined before one. */
  told: { readonly waitMs: number; readonly at: number } | undefined;
  runMs: number;
  outstanding: number;
}

export class NodeStates {
  readonly guards = new ModelGuards();
  readonly #states = new Map<string, NodeState>();
  #ejections: EjectionState = NOTHING_EJECTED;
  #view: PoolView | undefined;

  /** Forgets the nodes that are gone, and what is known of those that have come back: they begin anew. */
  follow(view: PoolView): void {
    const before = this.#view;
    if (before === view) return;
    this.#view = view;
    const same = [...view.nodes.values()].filter(({ node, process, live }) => {
      const earlier = before?.nodes.get(node);
      return earlier?.process === process && (earlier.live || !live);
    });
    const names = new Set(same.map(({ node }) => node));
    for (const name of this.#states.keys()) if (!names.has(name)) this.#states.delete(name);
    this.#ejections = retained(this.#ejections, [...names]);
    this.guards.retain(names);
  }

  /** Of the last view; 0 before one. */
  get liveNodes(): number {
    return this.#view?.live.length ?? 0;
  }

  load({ node, load, seenAt }: KnownNode): NodeLoad {
    const { told, runMs = FIRST_RUN_MS, outstanding = 0 } = this.#states.get(node) ?? {};
    const waitMs = told && told.at > seenAt ? told.waitMs : load.waitMs;
    return { waitMs, runMs, slots: load.slots, outstanding };
  }

  ejected(nodes: readonly string[], now: number): ReadonlySet<string> {
    return ejected(this.#ejections, nodes, now);
  }

  begun(node: string): void {
    this.#of(node).outstanding++;
  }

  /** @param waitMs that a reply told, with or without an answer in it */
  told(node: string, waitMs: number, now: number): void {
    this.#of(node).told = { waitMs, at: now };
  }

  /** Whether any reply of it has come since. */
  heardSince(node: string, since: number): boolean {
    return (this.#states.get(node)?.told?.at ?? Number.NEGATIVE_INFINITY) >= since;
  }

  /** @param deviceMs that the answer took; undefined without one */
  ended(node: string, outcome: Outcome, deviceMs: number | undefined, now: number): void {
    const state = this.#of(node);
    state.outstanding = Math.max(0, state.outstanding - 1);
    if (deviceMs !== undefined && deviceMs > 0) state.runMs += NEWEST * (deviceMs - state.runMs);
    this.#ejections = noted(this.#ejections, node, outcome, now);
  }

  #of(node: string): NodeState {
    let state = this.#states.get(node);
    if (!state) {
      state = { told: undefined, runMs: FIRST_RUN_MS, outstanding: 0 };
      this.#states.set(node, state);
    }
    return state;
  }
}
