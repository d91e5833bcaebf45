/**
 * What a batch of one model version takes on this device, by shape bucket and batch size.
 *
 * Seeded at warm-up by timing each size, then fed with every run. Two figures a size: the *expected* time (mean of the
 * last runs), for adding up what is queued, and the *bound* (second largest of the last 64 runs, about p97), for
 * promises about one run: the sum of many runs is near the sum of their means, one run may well be slow.
 *
 * A figure that has not been confirmed for `STALE_MS` falls back to its seed. Otherwise one slow moment could make
 * requests look unservable for ever: refused, they would never be run and never prove the model wrong.
 */
const WINDOW = 64;
const STALE_MS = 10_000;
/** Runs that the seed counts for at first. */
const SEED_RUNS = 8;
/** Of so few runs the slowest is no exception. */
const FEW_RUNS = 16;
/** Shapes seen without padding can be any; only the last ones used are remembered. */
const MAX_BUCKETS = 64;

export interface BatchCost {
  readonly bucket: string;
  readonly rows: number;
  readonly expectedMs: number;
  readonly boundMs: number;
  /** Runs that the figures rest on; 0 means the seed. */
  readonly runs: number;
}

interface Cell {
  seedMs: number;
  readonly samples: number[];
  next: number;
  lastAt: number;
  expectedMs: number;
  boundMs: number;
}

export class CostModel {
  /** Batch sizes that are told apart, ascending. */
  readonly sizes: readonly number[];
  readonly #buckets = new Map<string, Cell[]>();
  #firstBucket: string | undefined;

  readonly #padded: boolean;

  /**
   * @param sizes batch sizes in rows, ascending, at least one
   * @param padded whether a batch is filled up to the next size, and so costs as much
   */
  constructor(sizes: readonly number[], padded = false) {
    this.sizes = sizes;
    this.#padded = padded;
  }

  /** Notes a timing of the warm-up, in milliseconds. */
  seed(bucket: string, rows: number, ms: number): void {
    const cell = this.#cell(bucket, rows);
    if (cell) cell.seedMs = ms;
  }

  /** Notes a run. A size between two known ones counts for the nearer, scaled by what is expected of both. */
  observe(bucket: string, rows: number, ms: number, now: number): void {
    const size = this.#nearest(rows);
    const own = this.expectedMs(bucket, rows, now);
    const scaled = size === rows || own === 0 ? ms : (ms * this.expectedMs(bucket, size, now)) / own;
    const cell = this.#cell(bucket, size);
    if (!cell) return;
    if (!isFresh(cell, now)) {
      cell.samples.length = 0;
      cell.next = 0;
    }
    cell.samples[cell.next] = scaled;
    cell.next = (cell.next + 1) % WINDOW;
    cell.lastAt = now;
    let sum = 0;
    let largest = 0;
    let second = 0;
    for (const sample of cell.samples) {
      sum += sample;
      if (sample > largest) {
        second = largest;
        largest = sample;
      } else if (sample > second) second = sample;
    }
    const runs = cell.samples.length;
    // The seed fades out: one odd run must not make a size look better or worse than its neighbours.
    const seedWeight = cell.seedMs === 0 ? 0 : Math.max(0, SEED_RUNS - runs);
    cell.expectedMs = (sum + seedWeight * cell.seedMs) / (runs + seedWeight);
    cell.boundMs = Math.max(cell.expectedMs, runs < FEW_RUNS ? largest : second);
  }

  /** Mean time of a batch of so many rows, in milliseconds; 0 when nothing at all is known. */
  expectedMs(bucket: string, rows: number, now: number): number {
    return this.#between(bucket, rows, (cell) => (isFresh(cell, now) ? cell.expectedMs : cell.seedMs));
  }

  /** Time that a batch of so many rows will rarely exceed, in milliseconds. */
  boundMs(bucket: string, rows: number, now: number): number {
    return this.#between(bucket, rows, (cell) => (isFresh(cell, now) ? cell.boundMs : cell.seedMs));
  }

  /** The least that a batch of so many rows is known to take, in milliseconds: the seed, or the quickest run since. */
  leastMs(bucket: string, rows: number): number {
    return this.#between(bucket, rows, ({ seedMs, samples }) =>
      samples.length === 0 ? seedMs : Math.min(seedMs || Number.POSITIVE_INFINITY, ...samples),
    );
  }

  /** All that is known, for statistics and metrics. */
  table(now: number): BatchCost[] {
    return [...this.#buckets].flatMap(([bucket, cells]) =>
      cells.flatMap((cell, index) => {
        const rows = this.sizes[index] ?? 0;
        const fresh = isFresh(cell, now);
        if (!fresh && cell.seedMs === 0) return [];
        const { expectedMs, boundMs } = fresh ? cell : { expectedMs: cell.seedMs, boundMs: cell.seedMs };
        return [{ bucket, rows, expectedMs, boundMs, runs: fresh ? cell.samples.length : 0 }];
      }),
    );
  }

  #nearest(rows: number): number {
    if (this.#padded) return this.#paddedTo(rows);
    let best = this.sizes[0] ?? 1;
    for (const size of this.sizes) if (Math.abs(size - rows) < Math.abs(best - rows)) best = size;
    return best;
  }

  #paddedTo(rows: number): number {
    return this.sizes.find((size) => size >= rows) ?? rows;
  }

  #cell(bucket: string, rows: number): Cell | undefined {
    let cells = this.#buckets.get(bucket);
    if (cells) this.#buckets.delete(bucket);
    else {
      cells = this.sizes.map(() => ({ seedMs: 0, samples: [], next: 0, lastAt: 0, expectedMs: 0, boundMs: 0 }));
      this.#firstBucket ??= bucket;
      if (this.#buckets.size >= MAX_BUCKETS) this.#dropLeastRecent();
    }
    this.#buckets.set(bucket, cells);
    return cells[this.sizes.indexOf(rows)];
  }

  #dropLeastRecent(): void {
    for (const bucket of this.#buckets.keys()) {
      if (bucket === this.#firstBucket) continue;
      this.#buckets.delete(bucket);
      return;
    }
  }

  /** A shape that was never seen is taken to cost what the first one does: it has to be run once to be known. */
  #between(bucket: string, given: number, read: (cell: Cell) => number): number {
    const rows = this.#padded ? this.#paddedTo(given) : given;
    const cells = this.#buckets.get(bucket) ?? this.#buckets.get(this.#firstBucket ?? "");
    if (!cells) return 0;
    let below = 0;
    let belowRows = 0;
    for (const [index, size] of this.sizes.entries()) {
      const cell = cells[index];
      const ms = cell ? read(cell) : 0;
      if (ms === 0) continue;
      if (size === rows) return ms;
      if (size > rows) return belowRows === 0 ? ms : below + ((ms - below) * (rows - belowRows)) / (size - belowRows);
      below = ms;
      belowRows = size;
    }
    return belowRows === 0 ? 0 : (below * Math.max(rows, belowRows)) / belowRows;
  }
}

function isFresh(cell: Cell, now: number): boolean {
  return cell.samples.length > 0 && now - cell.lastAt < STALE_MS;
}

/** Powers of two up to `largest`, and `largest` itself: few enough to warm each, dense enough to waste little. */
export function batchSizesUpTo(largest: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < largest; size *= 2) sizes.push(size);
  sizes.push(largest);
  return sizes;
}
