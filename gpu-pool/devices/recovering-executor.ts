/**
 * Keeps a model running on a device that is short of memory: a batch that does not fit is run in parts, rows that do not fit
 * at all fail alone, sessions that are broken are replaced, and a device that is lost is given up at once. When to do which is
 * decided by `device-recovery.ts`.
 *
 *     new RecoveringExecutor({ model: "bert/2", guard, executor, renew, capacityBytes, ...dividingWork });
 *
 * Promises: every item gets its own answer, or one of `device_out_of_memory`, `model_not_ready` and `draining` (503 with
 * Retry-After); what was being run when the device was lost fails with `model_failed`, which nobody sends to another node: its
 * values may be what the device was lost by; a failure that is not the device's is passed on as it is; nothing is run while sessions are renewed, nor
 * after the device was given up.
 *
 * Worst case: a batch of n rows of which none fits costs log2(n) + 2 runs before the rest of it is refused.
 */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { type Executor, type Place, TakenBack } from "../scheduler/executor.ts";
import type { DeviceGuard } from "./device-guard.ts";
import type { Verdict } from "./device-recovery.ts";
import { classifyFailure } from "./run-errors.ts";

/** How items are made smaller, and their answers whole again. */
export interface Dividing<Item, Result> {
  readonly rowsOf: (item: Item) => number;
  /** In order, of so many rows at most; the item itself where it cannot be divided. */
  readonly divide: (item: Item, rows: number) => readonly Item[];
  /** @param results one a piece, in order */
  readonly join: (results: readonly [Result, ...Result[]]) => Result;
}

export interface RecoveringExecutorOptions<Item, Result> extends Dividing<Item, Result> {
  /** What the guard knows the model by. */
  readonly model: string;
  readonly guard: DeviceGuard;
  /** Runs the batches, until it is renewed. */
  readonly executor: Executor<Item, Result>;
  /** Closes the sessions there are, opens new ones, and gives what runs batches on them. */
  readonly renew: () => Promise<Executor<Item, Result>>;
  /** All memory of the device, in bytes. */
  readonly capacityBytes: number;
}

/** An item, or a part of one. */
interface Piece<Item> {
  /** Index of the item that it is of. */
  readonly of: number;
  readonly item: Item;
}

/** A place at which batches are run in parts. */
interface Occupation {
  /** The runs that are; a second one where it had been handed over before the first one failed. */
  readonly by: Set<object>;
  /** Runs that wait until those have ended. */
  readonly waiting: { readonly begin: () => void; readonly takeBack: () => void }[];
}

export class RecoveringExecutor<Item, Result> implements Executor<Item, Result> {
  readonly #options: RecoveringExecutorOptions<Item, Result>;
  #executor: Executor<Item, Result>;
  #renewal: Promise<void> = Promise.resolve();
  /** Bounded by the model's instances. */
  readonly #inParts = new Map<Place, Occupation>();

  constructor(options: RecoveringExecutorOptions<Item, Result>) {
    this.#options = options;
    this.#executor = options.executor;
  }

  async run(items: readonly Item[], place: Place): Promise<readonly (Result | Error)[]> {
    while (this.#inParts.has(place)) await this.#untilFree(place);
    const run = {};
    try {
      return await this.#run(items, place, run);
    } finally {
      this.#vacate(place, run);
    }
  }

  takeBack(place: Place): void {
    const occupation = this.#inParts.get(place);
    // What comes after a batch that is run in parts waits here, or has begun by now.
    if (occupation) occupation.waiting.pop()?.takeBack();
    else this.#executor.takeBack(place);
  }

  /** To be called when nothing runs any more: waits for sessions that are being opened, which are then to be closed. */
  async close(): Promise<void> {
    const { guard, model } = this.#options;
    await this.#renewal;
    guard.tell({ kind: "closed", model });
  }

  async #run(items: readonly Item[], place: Place, run: object): Promise<readonly (Result | Error)[]> {
    const { guard, model, join } = this.#options;
    const results = items.map((): Result[] => []);
    const failures = new Map<number, Error>();
    let pieces: readonly Piece<Item>[] = items.map((item, of) => ({ of, item }));
    let most = Number.POSITIVE_INFINITY;
    while (pieces.length > 0) {
      const verdict = this.#ask();
      if (verdict.kind === "refuse") {
        for (const { of } of pieces) failures.set(of, refusal(verdict));
        break;
      }
      // Only ever less: time in which the cap grows again must not make this go on for ever.
      most = Math.min(most, verdict.cap);
      const cut = pieces.flatMap((piece) => this.#cut(piece, most));
      const part = this.#firstPart(cut, most);
      if (part.length < cut.length) this.#occupy(place, run);
      try {
        const outcomes = await this.#executor.run(
          part.map(({ item }) => item),
          place,
        );
        guard.tell({ kind: "succeeded", model });
        for (const [index, { of }] of part.entries()) {
          const outcome = outcomes[index] ?? new Error("the batch has fewer results than items");
          if (outcome instanceof Error) failures.set(of, outcome);
          else results[of]?.push(outcome);
        }
        pieces = cut.slice(part.length);
      } catch (error) {
        if (error instanceof TakenBack) throw error;
        this.#occupy(place, run);
        const [only] = part.length === 1 ? part : [];
        if (this.#isLost(error)) {
          for (const { of } of part) failures.set(of, lost());
        } else {
          const failure = this.#judge(error, part);
          // The batch is for the scheduler to halve, who is to blame being unknown.
          if (failure && !only) throw failure;
          if (failure && only) failures.set(only.of, failure);
        }
        pieces = cut;
      }
      pieces = pieces.filter(({ of }) => !failures.has(of));
    }
    return results.map((own, index) => {
      const [first, ...rest] = own;
      const failure = failures.get(index);
      if (failure || first === undefined) return failure ?? new WarmgateError("internal", "a part was not run");
      return rest.length === 0 ? first : join([first, ...rest]);
    });
  }

  /** Tells the guard of it where the device is lost. */
  #isLost(error: unknown): boolean {
    const { guard, model, capacityBytes } = this.#options;
    const kind = classifyFailure(error, capacityBytes);
    if (kind === "sticky") guard.tell({ kind, model, reason: messageOf(error) });
    return kind === "sticky";
  }

  /** Tells the guard of a failure; what the part's items fail with, undefined where they are to be run in smaller parts. */
  #judge(error: unknown, part: readonly Piece<Item>[]): Error | undefined {
    const { guard, model, capacityBytes } = this.#options;
    const kind = classifyFailure(error, capacityBytes);
    if (kind !== "out_of_memory") return error instanceof Error ? error : new Error(String(error));
    const rows = this.#rowsIn(part);
    const isSmallest = part.length === 1 && part.every((piece) => this.#cut(piece, Math.floor(rows / 2)).length === 1);
    if (guard.tell({ kind, model, rows: isSmallest ? 1 : rows })) this.#renew();
    return isSmallest ? outOfMemory() : undefined;
  }

  #ask(): Verdict {
    const { guard, model } = this.#options;
    const { verdict, renew } = guard.ask(model);
    if (renew) this.#renew();
    return verdict;
  }

  #renew(): void {
    const { guard, model, renew } = this.#options;
    this.#renewal = renew().then(
      (executor) => {
        this.#executor = executor;
        guard.tell({ kind: "renewed", model });
      },
      (error: unknown) => {
        guard.tell({ kind: "renewal_failed", model, reason: messageOf(error) });
      },
    );
  }

  #cut(piece: Piece<Item>, most: number): readonly Piece<Item>[] {
    const { rowsOf, divide } = this.#options;
    if (most < 1 || rowsOf(piece.item) <= most) return [piece];
    return divide(piece.item, most).map((item) => ({ of: piece.of, item }));
  }

  /** The pieces that go first, of `most` rows together; one at least. */
  #firstPart(pieces: readonly Piece<Item>[], most: number): readonly Piece<Item>[] {
    let rows = 0;
    const tooFar = pieces.findIndex(({ item }) => {
      rows += this.#options.rowsOf(item);
      return rows > most;
    });
    return tooFar === -1 ? pieces : pieces.slice(0, Math.max(1, tooFar));
  }

  #rowsIn(pieces: readonly Piece<Item>[]): number {
    return pieces.reduce((sum, { item }) => sum + this.#options.rowsOf(item), 0);
  }

  /** From here on, what comes after this run waits for all of its parts. */
  #occupy(place: Place, run: object): void {
    const occupation = this.#inParts.get(place) ?? { by: new Set(), waiting: [] };
    this.#inParts.set(place, occupation);
    occupation.by.add(run);
  }

  #vacate(place: Place, run: object): void {
    const occupation = this.#inParts.get(place);
    if (!occupation?.by.delete(run) || occupation.by.size > 0) return;
    this.#inParts.delete(place);
    for (const { begin } of occupation.waiting) begin();
  }

  #untilFree(place: Place): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#inParts.get(place)?.waiting.push({ begin: resolve, takeBack: () => reject(new TakenBack()) });
    return promise;
  }
}

/** What is said to callers, who are not to read of host names and source positions. */
function outOfMemory(): WarmgateError {
  return new WarmgateError("device_out_of_memory", "the device has no memory left to run this", {
    retryAfterSeconds: 1,
  });
}

/** Not for anybody to send to another node. */
function lost(): WarmgateError {
  return new WarmgateError("model_failed", "the device failed while it ran this, and perhaps because of it");
}

function refusal({ why, retryAfterMs }: Extract<Verdict, { kind: "refuse" }>): WarmgateError {
  const options = { retryAfterSeconds: Math.ceil(retryAfterMs / 1000) };
  switch (why) {
    case "recycling":
      return new WarmgateError("draining", "the device has failed and its process is started anew", options);
    case "renewing":
      return new WarmgateError("model_not_ready", "the model is being loaded anew", options);
    case "resting":
      return new WarmgateError("device_out_of_memory", "the device has no memory left for this model", options);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
