/**
 * Last of all: what was used is told to the tenant's ledger (`objects/usage-ledger.ts`), after the reply.
 *
 * Uses are gathered for at most `GATHER_MS` and told as a batch under an id of its own; one that may not have arrived is told
 * again under the same id, and counts once. A request is counted by the edge, when it is answered: that it was sent to the pool
 * twice does not count twice. Its id is the caller's to choose, so it is no key here; else one id for all requests would make
 * them one. Worst case: an isolate that is killed takes the uses of its last `GATHER_MS` with it.
 */
import type { UsageBatch, UsageCounts } from "../objects/usage-ledger.ts";

export interface Ledger {
  record(batch: UsageBatch): Promise<void>;
}

export interface Use extends Omit<UsageCounts, "requests"> {
  readonly tenant: string;
  readonly model: string;
}

export const GATHER_MS = 1_000;
const MOST_TENANTS = 5_000;
const MOST_ENTRIES = 500;
const MOST_TRIES = 5;
const HOUR_MS = 3_600_000;

interface Batch {
  readonly id: string;
  readonly entries: Map<string, UsageBatch["entries"][number]>;
}

export class Meter {
  readonly #open = new Map<string, Batch>();

  /**
   * @param keepAlive holds the request's context until the promise is settled
   * @param lost told how many requests could not be told to the ledger
   */
  count(
    { tenant, model, rows, deviceMs, cacheHits }: Use,
    ledger: () => Ledger,
    now: number,
    keepAlive: (pending: Promise<void>) => void,
    lost: (requests: number) => void,
  ): void {
    let batch = this.#open.get(tenant);
    if (!batch) {
      batch = { id: crypto.randomUUID(), entries: new Map() };
      this.#open.set(tenant, batch);
      const crowded = this.#open.size > MOST_TENANTS;
      keepAlive(this.#tell(tenant, batch, ledger(), crowded ? 0 : GATHER_MS, lost));
    }
    const hour = Math.floor(now / HOUR_MS);
    const name = `${hour}/${model}`;
    const before = batch.entries.get(name) ?? { model, hour, requests: 0, rows: 0, deviceMs: 0, cacheHits: 0 };
    batch.entries.set(name, {
      ...{ model, hour },
      requests: before.requests + 1,
      rows: before.rows + rows,
      deviceMs: before.deviceMs + deviceMs,
      cacheHits: before.cacheHits + cacheHits,
    });
    // A full batch is closed; whoever opened it tells it, and the next use opens another.
    if (batch.entries.size >= MOST_ENTRIES) this.#open.delete(tenant);
  }

  async #tell(
    tenant: string,
    batch: Batch,
    ledger: Ledger,
    waitMs: number,
    lost: (requests: number) => void,
  ): Promise<void> {
    await scheduler.wait(waitMs);
    if (this.#open.get(tenant) === batch) this.#open.delete(tenant);
    const told: UsageBatch = { id: batch.id, entries: [...batch.entries.values()] };
    for (let tries = 1; tries <= MOST_TRIES; tries++) {
      try {
        return await ledger.record(told);
      } catch {
        if (tries < MOST_TRIES) await scheduler.wait(GATHER_MS * tries);
      }
    }
    lost(told.entries.reduce((sum, { requests }) => sum + requests, 0));
  }
}
