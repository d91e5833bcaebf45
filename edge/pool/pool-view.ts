/**
 * The pool as an isolate sees it: who is there, and who of them has which version of which model. Made anew from each snapshot of the
 * directory; what is looked up by requests costs them the same for one node or a thousand.
 */
import { shardSize, tenantShard } from "../../shared/control/routing/tenant-shard.ts";
import type { KnownNode, NodeModel } from "../../shared/protocol/pool-node.ts";
import { BoundedMemo } from "../gate/bounded-memo.ts";

/** A version of a model, and the nodes that are known to have it, the dead ones among them. */
export interface Capability {
  readonly model: NodeModel;
  readonly nodes: readonly KnownNode[];
}

/** The nodes that a tenant's requests go to, best first. */
export interface Shard {
  readonly own: readonly string[];
  /** To turn to when none of its own is there. */
  readonly spare: string | undefined;
}

const MOST_SHARDS = 10_000;
const SHARD_LIFE_MS = 600_000;
/** A dead node keeps its place in shards for so long: else a tenant whose requests kill nodes would be given the next ones. */
const PLACE_KEPT_MS = 60_000;

export class PoolView {
  /** Milliseconds since 1970. */
  readonly takenAt: number;
  readonly nodes: ReadonlyMap<string, KnownNode>;
  /** Equal for views of the same nodes with the same models. */
  readonly #membership: string;
  /** By tenant and capability, while there is the same membership. */
  readonly #shards: BoundedMemo<Shard>;
  /** Versions by model, the newest first; of each, the artefacts under that number. */
  readonly #models = new Map<string, Map<string, NodeModel[]>>();
  readonly #byCatalogue = new Map<string, KnownNode[]>();
  readonly #capabilities = new Map<string, Capability | undefined>();

  constructor(nodes: readonly KnownNode[], takenAt: number, before?: PoolView) {
    this.takenAt = takenAt;
    this.nodes = new Map(nodes.map((node) => [node.node, node]));
    for (const node of nodes) {
      const alike = this.#byCatalogue.get(node.catalogue);
      if (alike) {
        alike.push(node);
        continue;
      }
      this.#byCatalogue.set(node.catalogue, [node]);
      for (const model of node.models) this.#add(model);
    }
    for (const [name, versions] of this.#models) {
      const newestFirst = [...versions].sort(([a], [b]) => Number(b) - Number(a));
      this.#models.set(name, new Map(newestFirst));
    }
    const members = nodes.filter((node) => this.#hasPlace(node));
    this.#membership = members.map(({ node, catalogue, hardware }) => `${node}/${catalogue}/${hardware}`).join();
    this.#shards = before && before.#membership === this.#membership ? before.#shards : new BoundedMemo(MOST_SHARDS);
  }

  /** The versions of a model that some node is known to have, newest first. */
  versions(model: string): readonly string[] {
    return [...(this.#models.get(model)?.keys() ?? [])];
  }

  /**
   * Who has a version; the newest unless one is named. Where nodes have different artefacts under one number, as while files are
   * being replaced, the one that most live nodes have.
   */
  capability(model: string, version = this.#newest(model)): Capability | undefined {
    if (version === undefined) return undefined;
    const name = `${model}/${version}`;
    let found = this.#capabilities.get(name);
    if (found === undefined && !this.#capabilities.has(name)) {
      found = this.#findCapability(model, version);
      // Only what there is: names that were made up must not fill it.
      if (found) this.#capabilities.set(name, found);
    }
    return found;
  }

  /**
   * By shuffle sharding a few of all nodes that have it, and a spare one. So a tenant whose requests kill nodes can kill no more
   * of them than these.
   *
   * @param hardware the class that is asked for; null: any
   */
  shard(tenant: string, { model, nodes }: Capability, hardware: string | null): Shard {
    const name = `${tenant}/${model.name}/${model.version}/${model.digest}/${hardware ?? ""}`;
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

  #hasPlace({ live, left, seenAt }: KnownNode): boolean {
    return live || (!left && this.takenAt - seenAt < PLACE_KEPT_MS);
  }

  #add(model: NodeModel): void {
    const versions = this.#models.get(model.name) ?? new Map<string, NodeModel[]>();
    this.#models.set(model.name, versions);
    const artefacts = versions.get(model.version) ?? [];
    versions.set(model.version, artefacts);
    if (!artefacts.some(({ digest }) => digest === model.digest)) artefacts.push(model);
  }

  #newest(model: string): string | undefined {
    for (const version of this.#models.get(model)?.keys() ?? []) return version;
    return undefined;
  }

  #findCapability(model: string, version: string): Capability | undefined {
    const found = (this.#models.get(model)?.get(version) ?? []).map((artefact) => {
      const nodes = [...this.#byCatalogue.values()].flatMap((alike) =>
        alike[0]?.models.some((one) => one.digest === artefact.digest && one.version === version && one.name === model)
          ? alike
          : [],
      );
      return { model: artefact, nodes, live: nodes.filter(({ live }) => live).length };
    });
    return found.sort((a, b) => b.live - a.live || (a.model.digest < b.model.digest ? -1 : 1))[0];
  }
}
