/**
 * Which lists of models have which version of which model. Nodes share lists, and lists seldom change, so it is made when they do and
 * not with each look at the pool.
 */
import type { NodeModel } from "../../shared/protocol/pool-node.ts";

/** One artefact, and who has it. */
export interface Artefact {
  readonly model: NodeModel;
  /** Names this set of catalogues: what is found out for one artefact of it holds for all of them. */
  readonly set: string;
  readonly catalogues: readonly string[];
}

export class CatalogueIndex {
  readonly #names: ReadonlySet<string>;
  /** By model and version, the newest first; of each, the artefacts under that number. */
  readonly #models: ReadonlyMap<string, ReadonlyMap<string, readonly Artefact[]>>;

  /** @param catalogues the models by the catalogue's name */
  constructor(catalogues: ReadonlyMap<string, readonly NodeModel[]>) {
    this.#names = new Set(catalogues.keys());
    const gathered = new Map<string, { model: NodeModel; catalogues: string[] }>();
    for (const [catalogue, models] of catalogues) {
      for (const model of models) {
        const name = `${model.name}/${model.version}/${model.digest}`;
        const known = gathered.get(name);
        if (known) known.catalogues.push(catalogue);
        else gathered.set(name, { model, catalogues: [catalogue] });
      }
    }
    this.#models = byModel([...gathered.values()]);
  }

  /** Whether it is the index of just these catalogues. */
  isOf(catalogues: ReadonlyMap<string, unknown>): boolean {
    return catalogues.size === this.#names.size && [...catalogues.keys()].every((name) => this.#names.has(name));
  }

  versions(model: string): readonly string[] {
    return [...(this.#models.get(model)?.keys() ?? [])];
  }

  /** @param version the newest unless given */
  artefacts(model: string, version?: string): readonly Artefact[] {
    const versions = this.#models.get(model);
    if (!versions) return NONE;
    if (version !== undefined) return versions.get(version) ?? NONE;
    for (const newest of versions.values()) return newest;
    return NONE;
  }
}

const NONE: readonly Artefact[] = [];

function byModel(
  gathered: readonly { readonly model: NodeModel; readonly catalogues: readonly string[] }[],
): Map<string, Map<string, Artefact[]>> {
  const sets = new Map<string, string>();
  const models = new Map<string, Map<string, Artefact[]>>();
  for (const { model, catalogues } of gathered.toSorted((a, b) => Number(b.model.version) - Number(a.model.version))) {
    const members = catalogues.join();
    const set = sets.get(members) ?? String(sets.size);
    sets.set(members, set);
    const versions = models.get(model.name) ?? new Map<string, Artefact[]>();
    models.set(model.name, versions);
    versions.set(model.version, [...(versions.get(model.version) ?? []), { model, set, catalogues }]);
  }
  return models;
}
