/**
 * What waits for one model version in one shape bucket: rows that may run together. By class, then by tenant, each
 * tenant's entries in order of urgency. It only keeps order and counts; who goes next is the scheduler's choice.
 */
import { PRIORITY_CLASSES } from "../../shared/protocol/priority.ts";
import { byUrgency, type Entry } from "./entry.ts";

type TenantEntries<Item, Result> = Map<string, Entry<Item, Result>[]>;

export class BatchQueue<Item, Result> {
  readonly bucket: string;
  readonly #levels: readonly TenantEntries<Item, Result>[] = PRIORITY_CLASSES.map(() => new Map());
  #rows = 0;
  #items = 0;

  constructor(bucket: string) {
    this.bucket = bucket;
  }

  get rows(): number {
    return this.#rows;
  }

  get items(): number {
    return this.#items;
  }

  /** Entries of a class by tenant, each list with the most urgent first and never empty. */
  tenants(level: number): ReadonlyMap<string, readonly Entry<Item, Result>[]> {
    return this.#levels[level] ?? new Map();
  }

  add(entry: Entry<Item, Result>): void {
    const tenants = this.#levels[entry.level];
    const list = tenants?.get(entry.submission.tenant);
    if (!list) tenants?.set(entry.submission.tenant, [entry]);
    else {
      // Nearly always the least urgent yet: callers of one tenant mostly allow the same time.
      let at = list.length;
      while (at > 0 && isBefore(entry, list[at - 1])) at--;
      list.splice(at, 0, entry);
    }
    this.#rows += entry.submission.rows;
    this.#items++;
  }

  remove(entry: Entry<Item, Result>): void {
    const tenants = this.#levels[entry.level];
    const list = tenants?.get(entry.submission.tenant);
    const at = list?.indexOf(entry) ?? -1;
    if (!list || at < 0) return;
    if (at === 0) list.shift();
    else list.splice(at, 1);
    if (list.length === 0) tenants?.delete(entry.submission.tenant);
    this.#rows -= entry.submission.rows;
    this.#items--;
  }

  /** The earliest latest start of all that waits; infinity when nothing does. */
  earliestLatestStart(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const tenants of this.#levels) {
      for (const [head] of tenants.values()) if (head) earliest = Math.min(earliest, head.latestStart);
    }
    return earliest;
  }

  /**
   * The earliest deadline among the items that a new one would share its batch with: all that wait if they fit into one
   * batch, else, as far as can be told, the last `rows` rows of its tenant. Infinity when there are none.
   */
  earliestDeadlineBeside(level: number, tenant: string, rows: number): number {
    let earliest = Number.POSITIVE_INFINITY;
    if (rows === this.#rows) {
      for (const tenants of this.#levels) {
        for (const [head] of tenants.values()) if (head) earliest = Math.min(earliest, head.deadline);
      }
      return earliest;
    }
    const list = this.#levels[level]?.get(tenant) ?? [];
    let left = rows;
    for (let at = list.length - 1; at >= 0 && left > 0; at--) {
      const entry = list[at];
      if (!entry) break;
      earliest = Math.min(earliest, entry.deadline);
      left -= entry.submission.rows;
    }
    return earliest;
  }

  /** Everything whose latest start has come. */
  overdue(now: number): Entry<Item, Result>[] {
    const due: Entry<Item, Result>[] = [];
    for (const tenants of this.#levels) {
      for (const list of tenants.values()) {
        for (const entry of list) {
          if (entry.latestStart > now) break;
          due.push(entry);
        }
      }
    }
    return due;
  }
}

function isBefore<Item, Result>(entry: Entry<Item, Result>, other: Entry<Item, Result> | undefined): boolean {
  return other !== undefined && byUrgency(entry, other) < 0;
}
