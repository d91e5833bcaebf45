/**
 * Who of the pool is there, by what nodes say. One that has been silent for three of its intervals is dead; one that says goodbye
 * is at once. The dead are remembered for an hour, and no more of them than `MOST_DEAD`, for what they had: the cache finds
 * answers by it when all of the pool is down.
 *
 * Worst case: up to `NODES_AT_FULL_RATE` nodes speak every 500 ms, so a dead one is known to be after 1.5 s, and with a view of the
 * directory that is at most 1.5 s old it gets no more requests after 3 s. More of them are asked to speak less often, so that
 * the directory has no more than 800 words a second to hear, and the times grow with their number.
 */
import {
  ANNOUNCE_EVERY_MS,
  type Announcement,
  type AnnouncementAnswer,
  type KnownNode,
} from "../../protocol/pool-node.ts";

const NODES_AT_FULL_RATE = 400;
const SILENT_INTERVALS = 3;
const REMEMBERED_MS = 3_600_000;
const MOST_DEAD = 256;
export const MOST_NODES = 4_096;

export type NodeDirectory = ReadonlyMap<string, KnownNode>;

export const NO_NODES: NodeDirectory = new Map();

/** How often each of so many nodes should speak, in milliseconds. */
export function announceEveryMs(nodes: number): number {
  return Math.max(ANNOUNCE_EVERY_MS, Math.ceil((nodes * ANNOUNCE_EVERY_MS) / NODES_AT_FULL_RATE));
}

export interface Heard {
  /** The same one when the word was old, when its models are not known, or when there are too many nodes. */
  readonly directory: NodeDirectory;
  readonly answer: AnnouncementAnswer;
}

export function announced(directory: NodeDirectory, announcement: Announcement, now: number): Heard {
  const { status, url, leaving } = announcement;
  const everyMs = announceEveryMs(directory.size);
  const before = directory.get(status.node);
  const models = announcement.models ?? (before?.catalogue === status.catalogue ? before.models : undefined);
  const answer = { modelsWanted: models === undefined, everyMs };
  // Words overtake one another, and one that was captured may be sent again.
  const old = before !== undefined && isOlder(status, before);
  if (old || !models || (!before && directory.size >= MOST_NODES)) return { directory, answer };
  const after = new Map(directory);
  after.set(status.node, { ...status, models, url, seenAt: now, live: !leaving && status.ready, left: leaving });
  return { directory: after, answer };
}

type Word = Pick<KnownNode, "process" | "startedAt" | "sequence">;

function isOlder(word: Word, than: Word): boolean {
  return word.process === than.process ? word.sequence <= than.sequence : word.startedAt < than.startedAt;
}

/** The directory at a moment: who has been silent for too long is no longer live, who is long dead is gone. */
export function swept(directory: NodeDirectory, now: number): NodeDirectory {
  const lifeMs = SILENT_INTERVALS * announceEveryMs(directory.size);
  const nodes = [...directory.values()].map((node) =>
    node.live && now - node.seenAt > lifeMs ? { ...node, live: false } : node,
  );
  const dead = nodes.filter(({ live }) => !live).sort((a, b) => b.seenAt - a.seenAt);
  const forgotten = new Set(dead.filter(({ seenAt }, index) => index >= MOST_DEAD || now - seenAt > REMEMBERED_MS));
  return new Map(nodes.filter((node) => !forgotten.has(node)).map((node) => [node.node, node]));
}
