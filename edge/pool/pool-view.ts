/**
 * The pool as an isolate sees it: who is there, and who of them has which version of which model. Made anew from each snapshot of the
 * directory; what is looked up by requests costs them the same for one node or a thousand, for ten models or ten thousand.
 */
import { shardSize, tenantShard } from "../../shared/control/routing/tenant-shard.ts";
import type { KnownNode, NodeModel } from "../../shared/protocol/pool-node.ts";
import { BoundedMemo } from "../gate/bounded-memo.ts";
import { type Artefact, CatalogueIndex } from "./catalogue-index.ts";

/** A version of a model, and the nodes that are known to have it, the dead ones among them. */
export interface Capability {
  readonly model: NodeModel;
  readonly nodes: readonly KnownNode[];
  /** Equal for what the same nodes have. */
  readonly set: string;
}

/** The nodes that a tenant's requests go to, best first. */
export interface Shard {
  readonly own: readonly string[];
  /** To turn to when none of its own is there. */
  readonly spare: string | undefined;
}

interface NodeSet {
  readonly nodes: readonly KnownNode[];
  readonly live: number;
}

const MOST_SHARDS = 10_000;
const SHARD_LIFE_MS = 600_000;
/** A dead node keeps its place in shards for so long: else a tenant whose requests kill nodes would be given the next ones. */
const PLACE_KEPT_MS = 60_000;

export class PoolView {
  /** Milliseconds since 1970. */
  readonly takenAt: number;
  readonly nodes: ReadonlyMap<string, KnownNode>;
  readonly live: readonly KnownNode[];
  /** Equal for views of the same nodes with the same models. */
  readonly #membership: string;
  /** By tenant, set of nodes and hardware, while there is the same membership. */
  readonly #shards: BoundedMemo<Shard>;
  readonly #index: CatalogueIndex;
  readonly #byCatalogue: ReadonlyMap<string, readonly KnownNode[]>;
  readonly #sets = new Map<string, NodeSet>();

  constructor(nodes: readonly KnownNode[], takenAt: number, before?: PoolView) {
    this.takenAt = takenAt;
    this.nodes = new Map(nodes.map((node) => [node.node, node]));
    this.live = nodes.filter(({ live }) => live);
    this.#byCatalogue = Map.groupBy(nodes, ({ catalogue }) => catalogue);
    const index = before === undefined ? undefined : before.#index;
    this.#index = index?.isOf(this.#byCatalogue) ? index : new CatalogueIndex(cataloguesOf(nodes));
    const members = nodes.filter((node) => this.#hasPlace(node));
    this.#membership = members.map(({ node, catalogue, hardware }) => `${node}/${catalogue}/${hardware}`).join();
    const isSame = before !== undefined && this.#index === before.#index && this.#membership === before.#membership;
    this.#shards = isSame ? before.#shards : new BoundedMemo(MOST_SHARDS);
  }

  /** The versions of a model that some node is known to have, newest first. */
  versions(model: string): readonly string[] {
    return this.#index.versions(model);
  }

  /**
   * Who has a version; the newest unless one is named. Where nodes have different artefacts under one number, as while files are
   * being replaced, the one that most live nodes have.
   */
  capability(model: string, version?: string): Capability | undefined {
    let best: (Artefact & NodeSet) | undefined;
    for (const artefact of this.#index.artefacts(model, version)) {
      const there = this.#nodesOf(artefact);
      const isBetter =
        !best || there.live > best.live || (there.live === best.live && artefact.model.digest < best.model.digest);
      if (isBetter) best = { ...artefact, ...there };
    }
    return best;
  }

  /**
   * By shuffle sharding a few of all nodes that have it, and a spare one. So a tenant whose requests kill nodes can kill no more
   * of them than these.
   *
   * @param hardware the class that is asked for; null: any
   */
  shard(tenant: string, { set, nodes }: Capability, hardware: string | null): Shard {
    const name = `${tenant}/${set}/${hardware ?? ""}`;
    const known = this.#shards.get(name, this.takenAt);
    if (known) return known;
    const capable = nodes.filter((node) => this.#hasPlace(node) && (hardware === null || node.hardware === hardware));
    const size = shardSize(capable.length);
    const names = capable.map(({ node }) => node);
    const ranked = tenantShard(tenant, names, size + 1);
    const shard = { own: ranked.slice(0, size), spare: ranked[size] };
    this.#shards.set(name, shard, this.takenAt + SHARD_LIFE_MS);
    return shard;
  }

  #nodesOf({ set, catalogues }: Artefact): NodeSet {
    let found = this.#sets.get(set);
    if (!found) {
      const nodes = catalogues.flatMap((catalogue) => this.#byCatalogue.get(catalogue) ?? []);
      found = { nodes, live: nodes.filter(({ live }) => live).length };
      this.#sets.set(set, found);
    }
    return found;
  }

  #hasPlace({ live, left, seenAt }: KnownNode): boolean {
    return live || (!left && this.takenAt - seenAt < PLACE_KEPT_MS);
  }
}

function cataloguesOf(nodes: readonly KnownNode[]): ReadonlyMap<string, readonly NodeModel[]> {
  return new Map(nodes.map(({ catalogue, models }) => [catalogue, models]));
}
