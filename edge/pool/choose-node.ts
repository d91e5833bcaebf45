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
import type { Capability, PoolView } from "./pool-view.ts";

/** Fields as `explain` shows them. */
export interface NodeChoice {
  readonly node: KnownNode;
  /** Nodes that have the version, live or not. */
  readonly capable: number;
  /** The tenant's own, best first. */
  readonly shard: readonly string[];
  readonly ejected: readonly string[];
  /** Those that it was chosen from, with the waits that are predicted. */
  readonly waitMs: Readonly<Record<string, number>>;
  /** Nobody of the tenant's few was well. */
  readonly beyondShard: boolean;
}

export interface NodeAsk {
  readonly tenant: string;
  /** null: any. */
  readonly hardware: string | null;
}

/** @returns undefined when no node is known to have it, or none of that class of hardware */
export function chooseNode(
  view: PoolView,
  capability: Capability,
  { tenant, hardware }: NodeAsk,
  states: NodeStates,
  random: () => number,
  now: number,
): NodeChoice | undefined {
  const { own, spare } = view.shard(tenant, capability, hardware);
  const names = spare === undefined ? own : [...own, spare];
  const members = names.flatMap((name) => view.nodes.get(name) ?? []);
  const live = members.filter((node) => node.live);
  // Of the live ones only: as at most half may be left out, a dead one would keep a live one in that fails.
  const ejected = states.ejected(
    live.map(({ node }) => node),
    now,
  );
  const well = live.filter(({ node }) => !ejected.has(node));
  const groups = [well.filter(({ node }) => node !== spare), well, live, members];
  const from = groups.find((group) => group.length > 0);
  if (!from) return undefined;
  const waitOf = (node: KnownNode) => predictedWaitMs(states.load(node));
  const node = chooseOfTwo(from, waitOf, random);
  if (!node) return undefined;
  return {
    ...{ node, shard: own, capable: capability.nodes.length, ejected: [...ejected] },
    waitMs: Object.fromEntries(from.map((one) => [one.node, waitOf(one)])),
    beyondShard: from !== groups[0],
  };
}
