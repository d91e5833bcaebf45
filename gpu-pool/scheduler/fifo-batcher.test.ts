import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import type { Executor } from "./executor.ts";
import { type Answer, type BatcherLimits, FifoBatcher, type Ticket } from "./fifo-batcher.ts";

interface Item {
  readonly id: number;
  readonly rows: number;
  readonly key: string;
  readonly deadline: number;
  readonly poison: boolean;
}

/** Takes `runMs` for a batch, fails it when a poisoned item is in it, and notes what a batch must not be at its start. */
class ScriptedExecutor implements Executor<Item, string> {
  readonly batches: (readonly Item[])[] = [];
  /** Not thrown: the batcher would take that for a batch that failed. */
  readonly violations: string[] = [];
  readonly #clock: VirtualClock;
  readonly #maxRows: number;
  readonly runMs: number;
  #running = false;

  constructor(clock: VirtualClock, maxRows: number, runMs: number) {
    this.#clock = clock;
    this.#maxRows = maxRows;
    this.runMs = runMs;
  }

  run(items: readonly Item[]): Promise<readonly string[]> {
    const rows = items.reduce((sum, item) => sum + item.rows, 0);
    if (this.#running) this.violations.push("two batches at a time");
    if (rows > this.#maxRows) this.violations.push(`${rows} rows in a batch`);
    if (new Set(items.map((item) => item.key)).size !== 1) this.violations.push("not one key in a batch");
    if (items.some((item) => item.deadline <= this.#clock.now())) this.violations.push("started after its deadline");
    this.batches.push(items);
    this.#running = true;
    return new Promise((resolve, reject) => {
      this.#clock.schedule(this.runMs, () => {
        this.#running = false;
        if (items.some((item) => item.poison)) reject(new Error("poison"));
        else resolve(items.map((item) => `answer ${item.id}`));
      });
    });
  }
}

interface Outcome {
  readonly at: number;
  readonly answer?: Answer<string>;
  readonly error?: unknown;
}

class Bench {
  readonly clock: VirtualClock;
  readonly executor: ScriptedExecutor;
  readonly batcher: FifoBatcher<Item, string>;
  readonly outcomes = new Map<number, Outcome>();
  readonly items: Item[] = [];
  readonly tickets: Ticket<string>[] = [];

  constructor({ maxBatchRows = 4, maxQueuedRows = 12 }: Partial<BatcherLimits> = {}, runMs = 10, lastFirst = false) {
    this.clock = new VirtualClock(lastFirst);
    this.executor = new ScriptedExecutor(this.clock, maxBatchRows, runMs);
    this.batcher = new FifoBatcher(this.executor, this.clock, { maxBatchRows, maxQueuedRows });
  }

  /** @throws what the batcher throws */
  submit(given: { rows?: number; key?: string; forMs?: number; poison?: boolean } = {}): Ticket<string> {
    const { rows = 1, key = "", forMs = 1_000, poison = false } = given;
    const deadline = this.clock.now() + forMs;
    const item = { id: this.items.length, rows, key, deadline, poison };
    const ticket = this.batcher.submit({ item, rows, batchKey: key, deadline });
    this.items.push(item);
    this.tickets.push(ticket);
    const record = (outcome: Omit<Outcome, "at">) => {
      this.outcomes.set(item.id, { ...outcome, at: this.clock.now() });
    };
    ticket.result.then(
      (answer) => record({ answer }),
      (error: unknown) => record({ error }),
    );
    return ticket;
  }

  get batchIds(): number[][] {
    return this.executor.batches.map((batch) => batch.map((item) => item.id));
  }

  codeOf(id: number): string | undefined {
    const error = this.outcomes.get(id)?.error;
    return error instanceof WarmgateError ? error.code : undefined;
  }
}

const step = fc.oneof(
  fc.record({
    kind: fc.constant("submit" as const),
    rows: fc.integer({ min: 1, max: 5 }),
    key: fc.constantFrom("a", "b"),
    forMs: fc.integer({ min: -1, max: 40 }),
    poison: fc.nat(4).map((one) => one === 0),
  }),
  fc.record({ kind: fc.constant("cancel" as const), which: fc.nat() }),
  fc.record({ kind: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 15 }) }),
  fc.record({ kind: fc.constant("stall" as const), ms: fc.integer({ min: 0, max: 15 }) }),
);

describe("the batcher", () => {
  test("whatever comes, every item is answered once, with its own answer, in time; and every bound holds", async () => {
    const limits = { maxBatchRows: 4, maxQueuedRows: 9 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.integer({ min: 1, max: 20 }),
        fc.boolean(),
        async (steps, runMs, lastFirst) => {
          const bench = new Bench(limits, runMs, lastFirst);
          let stalled = false;
          const cancelled = new Set<number>();
          for (const one of steps) {
            if (one.kind === "advance") await bench.clock.advance(one.ms);
            else if (one.kind === "stall") {
              stalled = true;
              await bench.clock.stall(one.ms);
            } else if (one.kind === "cancel") {
              const id = one.which % (bench.items.length || 1);
              bench.tickets[id]?.cancel();
              cancelled.add(id);
            } else {
              const queuedBefore = bench.batcher.queuedRows;
              try {
                bench.submit(one);
              } catch (error) {
                assert.ok(error instanceof WarmgateError);
                const why = {
                  batch_too_large: one.rows > limits.maxBatchRows,
                  deadline_exceeded: one.forMs <= 0,
                  overloaded: queuedBefore + one.rows > limits.maxQueuedRows,
                };
                assert.equal(Object.entries(why).find(([, holds]) => holds)?.[0], error.code);
                assert.equal(bench.batcher.queuedRows, queuedBefore, "refused, yet queued");
              }
              assert.ok(bench.batcher.queuedRows <= limits.maxQueuedRows);
            }
          }
          let drained = false;
          void bench.batcher.drained().then(() => {
            drained = true;
          });
          await bench.clock.advance(2_000);
          assert.deepEqual(bench.executor.violations, []);
          assert.equal(drained, true);
          assert.equal(bench.batcher.outstanding, 0);
          assert.equal(bench.batcher.queuedRows, 0);
          assert.equal(bench.outcomes.size, bench.items.length);
          for (const item of bench.items) {
            const { at, answer, error } = bench.outcomes.get(item.id)!;
            assert.ok(stalled || at <= item.deadline, "answered after its deadline");
            if (answer) {
              assert.equal(answer.result, `answer ${item.id}`);
              assert.equal(item.poison, false);
            } else if (error instanceof WarmgateError) {
              assert.equal(error.code, "deadline_exceeded");
              assert.ok(at >= item.deadline || cancelled.has(item.id), "given up before its time");
            } else {
              assert.equal(item.poison, true, "failed for another item's fault");
            }
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("a lone item starts as soon as what has arrived is taken in", async () => {
    const bench = new Bench();
    bench.submit();
    await bench.clock.advance(0);
    assert.deepEqual(bench.batchIds, [[0]]);
  });

  test("what arrives together starts together, and what arrives during a run goes at once when it ends", async () => {
    const bench = new Bench();
    bench.submit();
    bench.submit();
    await bench.clock.advance(5);
    for (let count = 0; count < 3; count++) bench.submit();
    await bench.clock.advance(5);
    assert.deepEqual(bench.batchIds, [
      [0, 1],
      [2, 3, 4],
    ]);
    await bench.clock.advance(10);
    assert.equal(bench.outcomes.get(2)?.answer?.queuedMs, 5);
    assert.equal(bench.outcomes.get(2)?.answer?.batchRows, 3);
  });

  test("an item of another key keeps its place while its neighbours go ahead", async () => {
    const bench = new Bench();
    for (const key of ["a", "b", "a", "b", "a"]) bench.submit({ key });
    await bench.clock.advance(100);
    assert.deepEqual(bench.batchIds, [
      [0, 2, 4],
      [1, 3],
    ]);
  });

  test("a large item is not put off for ever by small ones that still fit", async () => {
    const bench = new Bench();
    bench.submit({ rows: 3 });
    bench.submit({ rows: 4 });
    bench.submit({ rows: 1 });
    await bench.clock.advance(5);
    bench.submit({ rows: 1 });
    await bench.clock.advance(100);
    assert.deepEqual(bench.batchIds, [[0, 2], [1], [3]]);
  });

  test("a poisoned item fails alone; all beside it are answered", async () => {
    const bench = new Bench({ maxBatchRows: 8 });
    for (let id = 0; id < 8; id++) bench.submit({ poison: id === 5 });
    await bench.clock.advance(1_000);
    for (let id = 0; id < 8; id++) assert.equal(bench.outcomes.get(id)?.answer === undefined, id === 5);
    assert.ok(bench.executor.batches.length <= 7, "more runs than halving takes");
  });

  test("an item whose time runs out during a batch that fails is not started again", async () => {
    const bench = new Bench({}, 10, true);
    bench.submit({ forMs: 10 });
    bench.submit({ poison: true });
    await bench.clock.advance(1_000);
    assert.equal(bench.codeOf(0), "deadline_exceeded");
    assert.equal(
      bench.executor.batches
        .slice(1)
        .flat()
        .some(({ id }) => id === 0),
      false,
    );
  });

  test("a waiting item leaves at its deadline; a running one is no longer waited for", async () => {
    const bench = new Bench({ maxBatchRows: 1 }, 50);
    bench.submit({ forMs: 20 });
    bench.submit({ forMs: 30 });
    await bench.clock.advance(200);
    assert.equal(bench.outcomes.get(0)?.at, 20);
    assert.equal(bench.outcomes.get(1)?.at, 30);
    assert.deepEqual(bench.batchIds, [[0]]);
  });

  test("a cancelled item makes room, is not run, and is answered", async () => {
    const bench = new Bench({ maxQueuedRows: 2 });
    const ticket = bench.submit({ rows: 2 });
    assert.throws(() => bench.submit(), { code: "overloaded", retryAfterSeconds: 1 });
    ticket.cancel();
    ticket.cancel();
    bench.submit();
    await bench.clock.advance(100);
    assert.deepEqual(bench.batchIds, [[1]]);
    assert.equal(bench.codeOf(0), "deadline_exceeded");
  });

  test("an executor that gives back too few results fails the items left over, not the others", async () => {
    const clock = new VirtualClock();
    const short: Executor<number, number> = { run: async (items) => items.slice(0, -1) };
    const batcher = new FifoBatcher(short, clock, { maxBatchRows: 4, maxQueuedRows: 4 });
    const results = [1, 2, 3].map((item) => batcher.submit({ item, rows: 1, batchKey: "", deadline: 100 }).result);
    const outcomes = Promise.allSettled(results);
    await clock.advance(50);
    assert.deepEqual(
      (await outcomes).map(({ status }) => status),
      ["fulfilled", "fulfilled", "rejected"],
    );
  });

  test("an idle batcher is drained, and leaves one timer at most behind", async () => {
    const bench = new Bench();
    for (let count = 0; count < 10; count++) bench.submit({ forMs: 500 + count });
    await bench.clock.advance(100);
    await bench.batcher.drained();
    assert.equal(bench.clock.timers, 1);
    await bench.clock.advance(1_000);
    assert.equal(bench.clock.timers, 0);
  });
});
