/** Model routes in the control plane's tables. What the pool has is not known here: that versions fit is checked before (`routes/admin`). */
import { z } from "zod";
import { type ModelRoute, modelRouteSchema, routeProblems } from "../../../shared/protocol/model-route.ts";
import type { Actor } from "./audit.ts";
import { type Outcome, Refusal } from "./outcome.ts";
import type { ControlStore } from "./store.ts";

const MOST_ROUTES = 100_000;

/** A route, and the configuration version that made it what it is. */
export interface StoredRoute {
  readonly route: ModelRoute;
  readonly revision: number;
}

/** What a rollout does to a route: it takes it over, moves weights, and lets go of it. */
export interface RolloutMove {
  readonly action: string;
  readonly rollout: ModelRoute["rollout"];
  readonly contract: number;
  readonly weights: readonly { readonly version: string; readonly weight: number }[];
  /** What it decided by, for the audit log. */
  readonly figures: unknown;
}

export class ModelRoutes {
  readonly #store: ControlStore;

  constructor(store: ControlStore) {
    this.#store = store;
  }

  find(name: string): StoredRoute | null {
    const [row] = this.#store.sql.exec("SELECT record, revision FROM model_routes WHERE name = ?", name);
    return row ? parseRow(row) : null;
  }

  get(name: string): Outcome<StoredRoute> {
    return this.#store.read(() => this.#require(name));
  }

  list(after: string, limit: number): StoredRoute[] {
    const rows = this.#store.sql.exec(
      "SELECT record, revision FROM model_routes WHERE name > ? ORDER BY name LIMIT ?",
      ...[after, limit],
    );
    return [...rows].map(parseRow);
  }

  /**
   * @param expected the revision that the change was made of, 0 for a route that is to be new: of two changes at once one is refused
   */
  put(actor: Actor, given: ModelRoute, expected: number): Outcome<StoredRoute> {
    return this.#store.change(actor, (revision) => {
      const route = modelRouteSchema.parse(given);
      const before = this.find(route.name);
      if ((before?.revision ?? 0) !== expected) {
        throw new Refusal(
          "conflict",
          before ? "the route was changed by somebody else meanwhile" : "there is no such route",
        );
      }
      if (before?.route.rollout) throw new Refusal("conflict", "a rollout moves this route: abort or promote it first");
      if (route.rollout) throw new Refusal("invalid_configuration", "only a rollout's controller sets rollout");
      const problems = routeProblems(route);
      if (problems.length > 0) throw new Refusal("invalid_configuration", ...problems);
      if (!before) this.#checkRoom();
      this.#write(route, revision);
      const value = { route, revision };
      return { value, change: change("route.put", route.name, before?.route ?? null, route) };
    });
  }

  delete(actor: Actor, name: string): Outcome<StoredRoute> {
    return this.#store.change(actor, () => {
      const value = this.#require(name);
      if (value.route.rollout) throw new Refusal("conflict", "a rollout moves this route: abort or promote it first");
      this.#store.sql.exec("DELETE FROM model_routes WHERE name = ?", name);
      return { value, change: change("route.delete", name, value.route, null) };
    });
  }

  /** @param rollout the one that must hold the route now; null: none may */
  move(actor: Actor, name: string, rollout: string | null, move: RolloutMove): Outcome<StoredRoute> {
    return this.#store.change(actor, (revision) => {
      const { route } = this.#require(name);
      if ((route.rollout?.id ?? null) !== rollout) throw new Refusal("conflict", "another rollout moves this route");
      const contract = route.contracts.find((one) => one.contract === move.contract);
      if (!contract) throw new Refusal("not_found", `there is no contract ${move.contract}`);
      const split = { ...contract.split, versions: [...move.weights] };
      const after = modelRouteSchema.parse({
        ...route,
        rollout: move.rollout,
        contracts: route.contracts.map((one) => (one === contract ? { ...one, split } : one)),
      });
      this.#write(after, revision);
      const before = { split: contract.split, rollout: route.rollout };
      const documents = { split, rollout: move.rollout, figures: move.figures };
      return { value: { route: after, revision }, change: change(move.action, name, before, documents) };
    });
  }

  /** @throws Refusal `not_found` */
  #require(name: string): StoredRoute {
    const found = this.find(name);
    if (!found) throw new Refusal("not_found", `there is no route ${name}`);
    return found;
  }

  #checkRoom(): void {
    const { count } = this.#store.sql.exec("SELECT COUNT(*) AS count FROM model_routes").one();
    if (z.int().parse(count) >= MOST_ROUTES) throw new Refusal("conflict", `there may be ${MOST_ROUTES} routes`);
  }

  #write(route: ModelRoute, revision: number): void {
    this.#store.sql.exec(
      `INSERT INTO model_routes (name, record, revision) VALUES (?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET record = excluded.record, revision = excluded.revision`,
      ...[route.name, JSON.stringify(route), revision],
    );
  }
}

function change(action: string, subject: string, before: unknown, after: unknown) {
  return { action, subject, tenant: null, before, after };
}

function parseRow({ record, revision }: Record<string, unknown>): StoredRoute {
  return {
    route: modelRouteSchema.parse(JSON.parse(z.string().parse(record))),
    revision: z.int().parse(revision),
  };
}
