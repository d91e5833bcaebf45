/**
 * Which node a request goes to: of those that have the model, the version and the class of hardware, the tenant's own few; of those
 * that live and are well, two at random; of the two, the one where the wait is predicted to be less.
 *
 * When none of the tenant's few is well one more may be tried, and when nobody at all is, one that was there a moment ago: what is
 * known may be wrong, and a refused connection costs little.
 */
import { chooseOfTwo, predictedWaitMs } from "../../shared/control/routing/node-choice.ts";
import type { KnownNode } from "../../shared/protocol/pool-node.ts";
import type { NodeStates } from "./node-states.ts";
import type { Capability, PoolView, Shard } from "./pool-view.ts";

/** What was chosen, and what from; for the explanation as well. */
export interface NodeChoice {
  readonly node: KnownNode;
  /** Nodes that have the version, live or not. */
  readonly capable: number;
  /** The tenant's own, best first. */
  readonly shard: readonly string[];
  readonly ejected: ReadonlySet<string>;
  /** Those that it was chosen from. */
  readonly from: readonly KnownNode[];
  /** The wait that is predicted at one of them, in milliseconds. */
  readonly waitOf: (node: KnownNode) => number;
  /** Nobody of the tenant's few was well. */
  readonly beyondShard: boolean;
}

export interface NodeAsk {
  readonly tenant: string;
  /** null: any. */
  readonly hardware: string | null;
  /** Who was asked in vain before. */
  readonly except?: string | undefined;
}

/** Somebody has it, and nobody may be asked at the moment: each breaker is open. */
export interface AllOpen {
  readonly allOpenForMs: number;
}

/** @returns undefined when no node is known to have it, or none of that class of hardware */
export function chooseNode(
  view: PoolView,
  capability: Capability,
  { tenant, hardware, except }: NodeAsk,
  states: NodeStates,
  random: () => number,
  now: number,
): NodeChoice | AllOpen | undefined {
  const shard = view.shard(tenant, capability, hardware);
  const members = membersOf(view, shard).filter(({ node }) => node !== except);
  const { name } = capability.model;
  const usable = members.filter(({ node }) => states.guards.closedForMs(node, name, now) === 0);
  if (usable.length === 0 && members.length > 0) {
    const waits = members.map(({ node }) => states.guards.closedForMs(node, name, now));
    return { allOpenForMs: Math.min(...waits) };
  }
  const { ejected, own, beyond } = askable(usable, shard.spare, states, now);
  const from = own.length > 0 ? own : beyond;
  const waitOf = (node: KnownNode) => predictedWaitMs(states.load(node));
  const node = chooseOfTwo(from, waitOf, random);
  if (!node) return undefined;
  const capable = capability.nodes.length;
  return { node, capable, shard: shard.own, ejected, from, waitOf, beyondShard: from === beyond };
}

function membersOf(view: PoolView, { own, spare }: Shard): KnownNode[] {
  return (spare === undefined ? own : [...own, spare]).flatMap((name) => view.nodes.get(name) ?? []);
}

/** The tenant's own that are well, and when there are none, who else may be asked. */
function askable(members: readonly KnownNode[], spare: string | undefined, states: NodeStates, now: number) {
  const live = members.filter((node) => node.live);
  // Of the live ones only: as at most half may be left out, a dead one would keep a live one in that fails.
  const ejected = states.ejected(
    live.map(({ node }) => node),
    now,
  );
  const well = ejected.size === 0 ? live : live.filter(({ node }) => !ejected.has(node));
  const beyond = [well, live, members].find((group) => group.length > 0) ?? [];
  return { ejected, own: well.filter(({ node }) => node !== spare), beyond };
}
