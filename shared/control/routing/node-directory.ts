/**
 * Who of the pool is there, by what nodes say. A node that has not been heard of for `NODE_LIFE_MS` is dead; one that says goodbye
 * is at once. The dead are remembered for an hour, and no more of them than `MOST_DEAD`, for what they had: the cache finds
 * answers by it when all of the pool is down.
 */
import type { Announcement, KnownNode } from "../../protocol/pool-node.ts";

/** With a second between two looks at the directory, a dead node gets no more requests after 2.5 s. */
export const NODE_LIFE_MS = 1_500;
const REMEMBERED_MS = 3_600_000;
const MOST_DEAD = 256;
export const MOST_NODES = 4_096;

export type NodeDirectory = ReadonlyMap<string, KnownNode>;

export const NO_NODES: NodeDirectory = new Map();

/** @returns the directory with what was said; the same one when that is old or when there are too many nodes */
export function announced(directory: NodeDirectory, announcement: Announcement, now: number): NodeDirectory {
  const { description, url, leaving } = announcement;
  const before = directory.get(description.node);
  // Messages overtake one another; another process of the same name is a restart, and newer in any case.
  if (before?.process === description.process && before.sequence >= description.sequence) return directory;
  if (!before && directory.size >= MOST_NODES) return directory;
  const after = new Map(directory);
  after.set(description.node, { ...description, url, seenAt: now, live: !leaving && description.ready });
  return after;
}

/** The directory at a moment: who has been silent for too long is no longer live, who is long dead is gone. */
export function swept(directory: NodeDirectory, now: number): NodeDirectory {
  const nodes = [...directory.values()].map((node) =>
    node.live && now - node.seenAt > NODE_LIFE_MS ? { ...node, live: false } : node,
  );
  const dead = nodes.filter(({ live }) => !live).sort((a, b) => b.seenAt - a.seenAt);
  const forgotten = new Set(dead.filter(({ seenAt }, index) => index >= MOST_DEAD || now - seenAt > REMEMBERED_MS));
  return new Map(nodes.filter((node) => !forgotten.has(node)).map((node) => [node.node, node]));
}
