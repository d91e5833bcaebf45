/**
 * The only owner of who is in the pool: nodes tell it that they are there, data centres read it once a second
 * (`shared/control/routing/node-directory.ts` has the promises and the worst case).
 *
 * That a node is there, what it has and that it has left is stored; when it was heard of last is not, at two words a second from each.
 * So after an eviction or a deploy the object takes those that were live for live, for one life, in which they speak again.
 */
import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import { NodeDirectory } from "../../shared/control/routing/node-directory.ts";
import { type DirectorySnapshot, snapshotOf } from "../../shared/protocol/directory-snapshot.ts";
import {
  type Announcement,
  type AnnouncementAnswer,
  announcementSchema,
  type KnownNode,
  type NodeModel,
  poolNodeSchema,
} from "../../shared/protocol/pool-node.ts";
import type { Bindings } from "../environment.ts";
import { migrate } from "./control/schema.ts";

export const POOL_DIRECTORY_NAME = "main";

const MIGRATIONS = [`CREATE TABLE nodes (node TEXT PRIMARY KEY, record TEXT NOT NULL);`];

const storedNodeSchema = poolNodeSchema.extend({
  ...{ url: z.string(), seenAt: z.number(), live: z.boolean(), left: z.boolean() },
});

export class PoolDirectory extends DurableObject<Bindings> {
  readonly #sql: SqlStorage;
  readonly #directory: NodeDirectory;

  constructor(state: DurableObjectState, bindings: Bindings) {
    super(state, bindings);
    this.#sql = state.storage.sql;
    state.storage.transactionSync(() => migrate(this.#sql, MIGRATIONS));
    const now = Date.now();
    const nodes = [...this.#sql.exec("SELECT record FROM nodes")].map(({ record }) => {
      const node = storedNodeSchema.parse(JSON.parse(z.string().parse(record)));
      return node.live ? { ...node, seenAt: now } : node;
    });
    this.#directory = new NodeDirectory(nodes);
  }

  /** @param given as its sender signed it (`gate/verify-announcement.ts`) */
  announce(given: Announcement): AnnouncementAnswer {
    const announcement = announcementSchema.parse(given);
    const before = this.#directory.nodes.get(announcement.status.node);
    const { answer, changed } = this.#directory.hear(announcement, Date.now());
    if (changed && !(before && sameToStore(before, changed))) this.#store(changed);
    return answer;
  }

  snapshot(): DirectorySnapshot {
    const now = Date.now();
    const { died, forgotten } = this.#directory.sweep(now);
    for (const node of died) this.#store(node);
    for (const name of forgotten) this.#sql.exec("DELETE FROM nodes WHERE node = ?", name);
    return snapshotOf(this.#directory.nodes.values(), now);
  }

  /** The models of catalogues, by name; those that no node has are left out. */
  catalogues(names: readonly string[]): Record<string, readonly NodeModel[]> {
    const asked = new Set(names);
    const nodes = [...this.#directory.nodes.values()].filter(({ catalogue }) => asked.has(catalogue));
    return Object.fromEntries(nodes.map(({ catalogue, models }) => [catalogue, models]));
  }

  #store(node: KnownNode): void {
    this.#sql.exec(
      "INSERT INTO nodes (node, record) VALUES (?, ?) ON CONFLICT (node) DO UPDATE SET record = excluded.record",
      node.node,
      JSON.stringify(node),
    );
  }
}

function sameToStore(before: KnownNode, after: KnownNode): boolean {
  return (
    before.process === after.process &&
    before.live === after.live &&
    before.left === after.left &&
    before.url === after.url &&
    before.catalogue === after.catalogue
  );
}
