/** Pools and routes of any size, as an isolate may know them: what routing is measured with. */
import { stableHash } from "../../shared/control/routing/stable-hash.ts";
import { type ModelRoute, modelRouteSchema } from "../../shared/protocol/model-route.ts";
import type { KnownNode, NodeModel } from "../../shared/protocol/pool-node.ts";
import { knownNode, nodeModel, SIGNATURE } from "../support/known-nodes.ts";

export interface PoolSize {
  readonly routes: number;
  readonly nodes: number;
  /** Different lists of models that nodes have: evenly many nodes have each. */
  readonly catalogues: number;
  /** In how many of them a model is. */
  readonly replicas: number;
}

const VERSIONS = ["1", "2"] as const;

/** A route to a model of its own, split between two versions. */
export function routeOf(index: number): ModelRoute {
  const [stable, candidate] = VERSIONS;
  const versions = [
    { version: stable, weight: 95 },
    { version: candidate, weight: 5 },
  ];
  return modelRouteSchema.parse({
    name: `route-${index}`,
    model: `model-${index}`,
    contracts: [{ contract: 1, signature: SIGNATURE, split: { sticky: "tenant", versions } }],
  });
}

/** Nodes that have both versions of every route's model between them; those of one catalogue share one list. */
export function nodesOfSize({ routes, nodes, catalogues, replicas }: PoolSize): KnownNode[] {
  const lists = Array.from({ length: catalogues }, (): NodeModel[] => []);
  for (let index = 0; index < routes; index++) {
    const models = VERSIONS.map((version) => modelOf(`model-${index}`, version));
    // Steps of other lengths for other models, so that no two catalogues are alike where each model is in several.
    for (let replica = 0; replica < replicas; replica++) {
      lists[(index + replica * (1 + (index % 89))) % catalogues]?.push(...models);
    }
  }
  return Array.from({ length: nodes }, (_, index) => {
    const catalogue = (index % catalogues).toString(16).padStart(32, "0");
    return knownNode(`node-${index}`, lists[index % catalogues] ?? [], { catalogue });
  });
}

function modelOf(name: string, version: string): NodeModel {
  const digest = stableHash(`${name}/${version}`).toString(16).padStart(8, "0").repeat(8);
  return { ...nodeModel(name, version), digest };
}
