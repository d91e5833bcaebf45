/**
 * Who of the pool is there, by what nodes say. One that has been silent for three of its intervals is dead; one that says goodbye
 * is at once. The dead are remembered for an hour, and no more of them than `MOST_DEAD`, for what they had: the cache finds
 * answers by it when all of the pool is down.
 *
 *     const { answer, changed } = directory.hear(announcement, now);
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

/** How often each of so many nodes should speak, in milliseconds. */
export function announceEveryMs(nodes: number): number {
  return Math.max(ANNOUNCE_EVERY_MS, Math.ceil((nodes * ANNOUNCE_EVERY_MS) / NODES_AT_FULL_RATE));
}

export interface Heard {
  readonly answer: AnnouncementAnswer;
  /** The node as it is now; undefined when the word was old, when its models are not known, or when there are too many nodes. */
  readonly changed: KnownNode | undefined;
}

/** Its only owner holds it; what it says costs the same for one node or a thousand, but for `sweep`. */
export class NodeDirectory {
  readonly #nodes: Map<string, KnownNode>;

  constructor(nodes: Iterable<KnownNode> = []) {
    this.#nodes = new Map(Array.from(nodes, (node) => [node.node, node]));
  }

  get nodes(): ReadonlyMap<string, KnownNode> {
    return this.#nodes;
  }

  hear({ status, url, leaving, models: told }: Announcement, now: number): Heard {
    const everyMs = announceEveryMs(this.#nodes.size);
    const before = this.#nodes.get(status.node);
    const models = told ?? (before?.catalogue === status.catalogue ? before.models : undefined);
    const answer = { modelsWanted: models === undefined, everyMs };
    // Words overtake one another, and one that was captured may be sent again.
    const isOld = before !== undefined && isOlder(status, before);
    if (isOld || !models || (!before && this.#nodes.size >= MOST_NODES)) return { answer, changed: undefined };
    const changed = { ...status, models, url, seenAt: now, live: !leaving && status.ready, left: leaving };
    this.#nodes.set(status.node, changed);
    return { answer, changed };
  }

  /** Finds out who has been silent for too long and who is to be forgotten. @returns the dead as they are now, and who was forgotten */
  sweep(now: number): { readonly died: readonly KnownNode[]; readonly forgotten: readonly string[] } {
    const lifeMs = SILENT_INTERVALS * announceEveryMs(this.#nodes.size);
    const died: KnownNode[] = [];
    for (const node of this.#nodes.values()) {
      if (node.live && now - node.seenAt > lifeMs) died.push({ ...node, live: false });
    }
    for (const node of died) this.#nodes.set(node.node, node);
    const dead = [...this.#nodes.values()].filter(({ live }) => !live).sort((a, b) => b.seenAt - a.seenAt);
    const forgotten = dead
      .filter(({ seenAt }, index) => index >= MOST_DEAD || now - seenAt > REMEMBERED_MS)
      .map(({ node }) => node);
    for (const name of forgotten) this.#nodes.delete(name);
    return { died, forgotten };
  }
}

type Word = Pick<KnownNode, "process" | "startedAt" | "sequence">;

function isOlder(word: Word, than: Word): boolean {
  return word.process === than.process ? word.sequence <= than.sequence : word.startedAt < than.startedAt;
}
