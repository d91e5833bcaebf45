import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { SerialPlaces } from "../../test/support/serial-places.ts";
import { until } from "../../test/support/until.ts";
import { type Executor, type Place, TakenBack } from "../scheduler/executor.ts";
import { DeviceGuard } from "./device-guard.ts";
import { RecoveringExecutor } from "./recovering-executor.ts";

interface Rows {
  readonly from: number;
  readonly rows: number;
}

const OUT_OF_MEMORY = "Failed to allocate memory for requested buffer of size 1048576";
const LOST = "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=secret";
const NO_LOG = { info() {}, warn() {}, error() {} };

interface Script {
  /** Rows that fit at once, of any run; asked for each. */
  readonly fit?: () => number;
  /** What a run with this row fails with. */
  readonly fails?: (row: number) => string | undefined;
  /** How each renewal ends; without it, well. */
  readonly renew?: () => Promise<void>;
  readonly divisible?: boolean;
}

/** A model whose answers are the rows that it was asked for, on a device that fails as a script says. */
class Stand {
  readonly runs: number[] = [];
  renewals = 0;
  readonly recycled: string[] = [];
  now = 0;
  readonly guard: DeviceGuard;
  readonly executor: RecoveringExecutor<Rows, readonly number[]>;
  readonly #script: Script;
  readonly #places = new SerialPlaces();

  constructor(script: Script = {}) {
    this.#script = script;
    this.guard = new DeviceGuard({
      now: () => this.now,
      log: NO_LOG,
      onRecycle: (reason) => this.recycled.push(reason),
    });
    this.executor = new RecoveringExecutor({
      model: "m/1",
      guard: this.guard,
      executor: this.#inner(),
      renew: async () => {
        this.renewals++;
        await script.renew?.();
        return this.#inner();
      },
      capacityBytes: 2 ** 30,
      rowsOf: ({ rows }) => rows,
      divide: (item, most) => {
        if (script.divisible === false) return [item];
        const pieces: Rows[] = [];
        for (let at = 0; at < item.rows; at += most)
          pieces.push({ from: item.from + at, rows: Math.min(most, item.rows - at) });
        return pieces;
      },
      join: (results) => results.flat(),
    });
  }

  /** Runs items of so many rows each, numbered through; what each is answered. */
  async run(counts: readonly number[], place: Place = { endedAt: 0 }): Promise<(readonly number[] | string)[]> {
    let from = 0;
    const items = counts.map((rows) => {
      from += rows;
      return { from: from - rows, rows };
    });
    const outcomes = await this.executor.run(items, place);
    return outcomes.map((outcome) => (outcome instanceof Error ? codeOf(outcome) : outcome));
  }

  #inner(): Executor<Rows, readonly number[]> {
    const { fit = () => Number.POSITIVE_INFINITY, fails } = this.#script;
    return {
      run: (items, place) =>
        this.#places.run(place, async () => {
          await new Promise(setImmediate);
          const all = items.map(rowsOf);
          const rows = all.flat();
          this.runs.push(rows.length);
          const failure = fails && rows.map(fails).find((text) => text !== undefined);
          if (failure !== undefined) throw new WarmgateError("model_failed", failure);
          if (rows.length > fit()) throw new WarmgateError("model_failed", OUT_OF_MEMORY);
          return all;
        }),
      takeBack: (place) => this.#places.takeBack(place),
    };
  }
}

function rowsOf({ from, rows }: Rows): number[] {
  return Array.from({ length: rows }, (_, at) => from + at);
}

function codeOf(error: Error): string {
  return error instanceof WarmgateError ? error.code : error.message;
}

describe("an executor on a device that is short of memory", () => {
  test("passes a batch that fits on as it is", async () => {
    const stand = new Stand();
    assert.deepEqual(await stand.run([2, 1]), [[0, 1], [2]]);
    assert.deepEqual(stand.runs, [3]);
  });

  test("runs a batch that does not fit in parts, and every item gets its own answer", async () => {
    const stand = new Stand({ fit: () => 4 });
    assert.deepEqual(await stand.run([3, 3, 2, 2]), [
      [0, 1, 2],
      [3, 4, 5],
      [6, 7],
      [8, 9],
    ]);
    assert.ok(stand.runs.slice(1).every((rows) => rows <= 5));
    assert.equal(stand.guard.counts.outOfMemory, 2);
  });

  test("divides an item that alone does not fit", async () => {
    const stand = new Stand({ fit: () => 2 });
    assert.deepEqual(await stand.run([8]), [[0, 1, 2, 3, 4, 5, 6, 7]]);
  });

  test("keeps to the size that fitted for the batches that follow", async () => {
    const stand = new Stand({ fit: () => 4 });
    await stand.run([8]);
    stand.runs.length = 0;
    await stand.run([8]);
    assert.deepEqual(stand.runs, [4, 4]);
    stand.now += 10_000;
    await stand.run([4, 4]);
    assert.deepEqual(stand.runs.slice(2), [8, 4, 4]);
  });

  test("lets a row that does not fit fail alone, with 503 and a time to wait", async () => {
    const stand = new Stand({ fails: (row) => (row === 2 ? OUT_OF_MEMORY : undefined) });
    assert.deepEqual(await stand.run([1, 1, 1, 1]), [[0], [1], "device_out_of_memory", [3]]);
    const [outcome] = await stand.executor.run([{ from: 2, rows: 1 }], { endedAt: 0 });
    assert.ok(outcome instanceof WarmgateError);
    assert.deepEqual([outcome.status, outcome.retryAfterSeconds], [503, 1]);
    assert.equal(stand.renewals, 0);
  });

  test("takes a row that asks for more than the device has for a fault of its own", async () => {
    const text = "Failed to allocate memory for requested buffer of size 1073741825";
    const stand = new Stand({ fails: () => text });
    for (let time = 0; time < 5; time++) assert.deepEqual(await stand.run([1]), ["model_failed"]);
    assert.deepEqual([stand.renewals, stand.guard.counts.outOfMemory], [0, 0]);
  });

  test("takes what cannot be divided for a single row", async () => {
    const stand = new Stand({ fit: () => 1, divisible: false });
    assert.deepEqual(await stand.run([4]), ["device_out_of_memory"]);
    assert.deepEqual(stand.runs, [4]);
  });

  test("every item is answered once and rightly, whatever fits and whatever is asked", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 20 }),
        async (counts, fit) => {
          const answers = await new Stand({ fit: () => fit }).run(counts);
          assert.deepEqual(
            answers.map((answer) => answer.length),
            counts,
          );
          assert.deepEqual(
            answers.flat(),
            Array.from({ length: counts.reduce((a, b) => a + b) }, (_, row) => row),
          );
        },
      ),
    );
  });
});

describe("an executor whose session is broken", () => {
  test("renews it, runs nothing meanwhile, and goes on with the new one", async () => {
    const renewing = Promise.withResolvers<void>();
    let isBroken = true;
    const stand = new Stand({ fit: () => (isBroken ? 0 : 8), renew: () => renewing.promise });
    const answers = await stand.run([1, 1, 1, 1]);
    assert.deepEqual(answers, ["device_out_of_memory", "device_out_of_memory", "model_not_ready", "model_not_ready"]);
    assert.equal(stand.renewals, 1);
    const runs = stand.runs.length;
    assert.deepEqual(await stand.run([1]), ["model_not_ready"]);
    assert.equal(stand.runs.length, runs);
    isBroken = false;
    renewing.resolve();
    await until("the renewal to end", () => stand.guard.counts.renewed === 1);
    assert.deepEqual(await stand.run([1, 1]), [[0], [1]]);
    assert.deepEqual(stand.recycled, []);
  });

  test("has the process recycled when new sessions are no better", async () => {
    let fit = 8;
    const stand = new Stand({ fit: () => fit });
    await stand.run([1]);
    fit = 0;
    stand.now = 60_000;
    await stand.run([1, 1]);
    await until("the renewal to end", () => stand.guard.counts.renewed === 1);
    assert.deepEqual(await stand.run([1, 1, 1]), ["device_out_of_memory", "device_out_of_memory", "draining"]);
    assert.equal(stand.recycled.length, 1);
    const { verdict } = stand.guard.ask("m/1");
    assert.ok(verdict.kind === "refuse" && verdict.why === "recycling");
  });

  test("rests, and tries again later, when there is no new one to be had", async () => {
    let fit = 0;
    let failure: Error | undefined = new Error("no memory");
    const renew = async () => {
      if (failure) throw failure;
    };
    const stand = new Stand({ fit: () => fit, renew });
    await stand.run([1, 1]);
    await until("the renewal to end", () => stand.guard.counts.renewalsFailed === 1);
    const [outcome] = await stand.executor.run([{ from: 0, rows: 1 }], { endedAt: 0 });
    assert.ok(outcome instanceof WarmgateError);
    assert.deepEqual([outcome.code, outcome.retryAfterSeconds], ["device_out_of_memory", 5]);
    fit = 8;
    failure = undefined;
    stand.now += 5_000;
    assert.deepEqual(await stand.run([1]), ["model_not_ready"]);
    await until("the renewal to end", () => stand.guard.counts.renewed === 1);
    assert.deepEqual(await stand.run([1]), [[0]]);
  });

  test("is closed after the sessions that are being opened are there", async () => {
    const renewing = Promise.withResolvers<void>();
    const stand = new Stand({ fit: () => 0, renew: () => renewing.promise });
    await stand.run([1, 1]);
    let isClosed = false;
    const closing = stand.executor.close().then(() => {
      isClosed = true;
    });
    await new Promise(setImmediate);
    assert.equal(isClosed, false);
    renewing.resolve();
    await closing;
    assert.deepEqual(stand.guard.caps(), []);
  });
});

describe("an executor whose device is lost", () => {
  test("fails what it ran, which may be why, has the process recycled, runs nothing more, and says nothing of the host", async () => {
    const stand = new Stand({ fails: (row) => (row === 1 ? LOST : undefined) });
    assert.deepEqual(await stand.run([1, 1]), ["model_failed", "model_failed"]);
    assert.deepEqual(stand.recycled, [LOST]);
    const outcomes = await stand.executor.run([{ from: 0, rows: 1 }], { endedAt: 0 });
    assert.ok(outcomes[0] instanceof WarmgateError);
    assert.equal(outcomes[0].status, 503);
    assert.doesNotMatch(outcomes[0].message, /secret|CUDA/);
    assert.deepEqual(stand.runs, [2]);
  });
});

describe("an executor whose model fails by itself", () => {
  test("throws what failed the batch, for the scheduler to halve it", async () => {
    const stand = new Stand({ fails: (row) => (row === 1 ? "invalid expand shape" : undefined) });
    await assert.rejects(stand.run([1, 1]), { code: "model_failed", message: "invalid expand shape" });
    assert.deepEqual(stand.guard.caps(), []);
  });

  test("fails a single item with it", async () => {
    const stand = new Stand({ fails: () => "invalid expand shape" });
    assert.deepEqual(await stand.run([2]), ["model_failed"]);
  });

  test("passes on that it is being unloaded", async () => {
    const guard = new DeviceGuard({ now: () => 0, log: NO_LOG, onRecycle: () => assert.fail() });
    const error = new WarmgateError("model_not_ready", "the model is being unloaded", { retryAfterSeconds: 1 });
    const inner = { run: () => Promise.reject(error), takeBack() {} };
    const executor = new RecoveringExecutor<Rows, number>({
      ...{ model: "m/1", guard, executor: inner, renew: () => assert.fail(), capacityBytes: 1 },
      ...{ rowsOf: ({ rows }) => rows, divide: (item) => [item], join: ([first]) => first },
    });
    assert.deepEqual(await executor.run([{ from: 0, rows: 1 }], { endedAt: 0 }), [error]);
  });
});

describe("a run that was handed over behind another one", () => {
  test("waits until all parts of that have ended", async () => {
    const stand = new Stand({ fit: () => 2 });
    await stand.run([4]);
    stand.runs.length = 0;
    const place = { endedAt: 0 };
    const first = stand.run([1, 1, 1, 1], place);
    const second = stand.run([1], place);
    assert.deepEqual(await second, [[0]]);
    await first;
    assert.deepEqual(stand.runs, [2, 2, 1]);
  });

  test("waits for those parts also where the one before them was run whole", async () => {
    const stand = new Stand({ fit: () => 2 });
    await stand.run([4]);
    stand.runs.length = 0;
    const place = { endedAt: 0 };
    const whole = stand.run([1], place);
    const inParts = stand.run([1, 1, 1, 1], place);
    await whole;
    await stand.run([1], place);
    await inParts;
    assert.deepEqual(stand.runs, [1, 2, 2, 1]);
  });

  test("can be taken back while it waits, and the parts before it are run all the same", async () => {
    const stand = new Stand({ fit: () => 2 });
    await stand.run([4]);
    const place = { endedAt: 0 };
    const first = stand.run([1, 1, 1, 1], place);
    const second = stand.run([1], place);
    await new Promise(setImmediate);
    const third = stand.run([1, 1, 1, 1], place);
    const fourth = stand.run([1], place);
    stand.executor.takeBack(place);
    await assert.rejects(fourth, TakenBack);
    assert.deepEqual(await first, [[0], [1], [2], [3]]);
    assert.deepEqual(await second, [[0]]);
    assert.deepEqual(await third, [[0], [1], [2], [3]]);
  });

  test("can be taken back where nothing is run in parts", async () => {
    const stand = new Stand();
    const place = { endedAt: 0 };
    const first = stand.run([2], place);
    const second = stand.run([1], place);
    stand.executor.takeBack(place);
    await assert.rejects(second, TakenBack);
    assert.deepEqual(await first, [[0, 1]]);
  });

  test("is not taken back any more once the one before it has failed and is run in parts", async () => {
    const place = { endedAt: 0 };
    let runs = 0;
    const stand = new Stand({
      fit: () => {
        // The second one runs, and the first part of the first one waits behind it.
        if (++runs === 2) stand.executor.takeBack(place);
        return runs === 1 ? 4 : 8;
      },
    });
    const first = stand.run([4, 4], place);
    const second = stand.run([1], place);
    assert.deepEqual(await first, [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
    assert.deepEqual(await second, [[0]]);
    assert.deepEqual(stand.runs, [8, 1, 4, 4]);
  });
});
