/** The executor under the real scheduler: what callers see of a device that is short of memory. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { SerialPlaces } from "../../test/support/serial-places.ts";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { batchSizesUpTo, CostModel } from "../scheduler/cost-model.ts";
import { DeviceScheduler } from "../scheduler/device-scheduler.ts";
import { DeviceGuard } from "./device-guard.ts";
import { RecoveringExecutor } from "./recovering-executor.ts";

interface Request {
  readonly from: number;
  readonly rows: number;
}

const LARGEST_BATCH = 16;
const ALLOWED = ["device_out_of_memory", "model_not_ready", "draining", "deadline_exceeded"];

class Stand {
  readonly clock = new VirtualClock();
  readonly outcomes: (readonly number[] | string)[] = [];
  readonly violations: string[] = [];
  /** Rows that the device has memory for. */
  fit = Number.POSITIVE_INFINITY;
  recycled = 0;
  readonly #scheduler: DeviceScheduler<Request, readonly number[]>;
  readonly #lane;

  constructor(instances: number) {
    const { clock } = this;
    const log = { info() {}, warn() {}, error() {} };
    const guard = new DeviceGuard({ now: () => clock.now(), log, onRecycle: () => this.recycled++ });
    this.#scheduler = new DeviceScheduler(clock, {
      ...{ slots: instances, maxQueueMs: 10_000, maxQueueItems: 1_000, maxQueueBytes: 1_000_000, overloadedWaitMs: 20 },
      ...{ weightOf: () => 1, random: () => 0.5, epochMs: () => 0 },
    });
    const costs = new CostModel(batchSizesUpTo(LARGEST_BATCH));
    for (const rows of costs.sizes) costs.seed("a", rows, 8 + rows);
    const executor = new RecoveringExecutor<Request, readonly number[]>({
      ...{ model: "m/1", guard, executor: this.#device(instances), capacityBytes: Number.POSITIVE_INFINITY },
      renew: async () => {
        await new Promise<void>((resolve) => clock.schedule(500, resolve));
        return this.#device(instances);
      },
      rowsOf: ({ rows }) => rows,
      divide: ({ from, rows }, most) =>
        Array.from({ length: Math.ceil(rows / most) }, (_, piece) => {
          const at = piece * most;
          return { from: from + at, rows: Math.min(most, rows - at) };
        }),
      join: (results) => results.flat(),
    });
    this.#lane = this.#scheduler.addLane({ executor, costs, largestBatch: LARGEST_BATCH, instances, maxDelayMs: 0 });
  }

  submit(id: number, rows: number, forMs: number): () => void {
    const now = this.clock.now();
    try {
      const { result, cancel } = this.#scheduler.submit(this.#lane, {
        ...{ item: { from: id * 100, rows }, rows, bytes: rows, bucket: "a", priority: "default", tenant: "acme" },
        deadline: now + forMs,
      });
      const settle = (outcome: readonly number[] | string) => {
        if (this.outcomes[id] !== undefined) this.violations.push(`${id} answered twice`);
        this.outcomes[id] = outcome;
      };
      result.then(
        (answer) => settle(answer.result),
        (error: unknown) => settle(error instanceof WarmgateError ? error.code : String(error)),
      );
      return cancel;
    } catch (error) {
      this.outcomes[id] = error instanceof WarmgateError ? error.code : String(error);
      return () => undefined;
    }
  }

  #device(instances: number) {
    const places = new SerialPlaces();
    let running = 0;
    const begin = async (items: readonly Request[]): Promise<readonly (readonly number[])[]> => {
      const rows = items.reduce((sum, item) => sum + item.rows, 0);
      if (++running > instances) this.violations.push("more runs than instances");
      if (rows > LARGEST_BATCH) this.violations.push("too many rows");
      const fits = rows <= this.fit;
      await new Promise<void>((resolve) => this.clock.schedule(8 + rows, resolve));
      running--;
      if (!fits) throw new WarmgateError("model_failed", "Failed to allocate memory for requested buffer of size 9");
      return items.map(rowsOf);
    };
    return {
      run: (items: readonly Request[], place: { endedAt: number }) => places.run(place, () => begin(items)),
      takeBack: (place: { endedAt: number }) => places.takeBack(place),
    };
  }
}

function rowsOf({ from, rows }: Request): number[] {
  return Array.from({ length: rows }, (_, row) => from + row);
}

describe("a scheduled model on a device that is short of memory", () => {
  test("answers every request once, with its own rows or a refusal that says when to come back", async () => {
    const step = fc.record({
      rows: fc.integer({ min: 1, max: LARGEST_BATCH }),
      forMs: fc.integer({ min: 20, max: 3_000 }),
      gapMs: fc.integer({ min: 0, max: 60 }),
      fit: fc.constantFrom(undefined, undefined, 0, 1, 3, 8, 100),
      isCancelled: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 30 }),
        fc.constantFrom(1, 2),
        async (steps, instances) => {
          const stand = new Stand(instances);
          for (const [id, { rows, forMs, gapMs, fit, isCancelled }] of steps.entries()) {
            if (fit !== undefined) stand.fit = fit;
            const cancel = stand.submit(id, rows, forMs);
            await stand.clock.advance(gapMs);
            if (isCancelled) cancel();
          }
          await stand.clock.advance(20_000);
          assert.deepEqual(stand.violations, []);
          for (const [id, { rows }] of steps.entries()) {
            const outcome = stand.outcomes[id];
            if (typeof outcome === "string") assert.ok([...ALLOWED, "deadline_unreachable"].includes(outcome), outcome);
            else assert.deepEqual(outcome, rowsOf({ from: id * 100, rows }));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("answers everything while the device has memory for half a batch", async () => {
    const stand = new Stand(1);
    stand.fit = LARGEST_BATCH / 2;
    for (let id = 0; id < 20; id++) stand.submit(id, 2, 5_000);
    await stand.clock.advance(5_000);
    assert.deepEqual(
      stand.outcomes,
      Array.from({ length: 20 }, (_, id) => [id * 100, id * 100 + 1]),
    );
  });

  test("serves again soon after memory has come back", async () => {
    const stand = new Stand(1);
    stand.fit = 0;
    for (let id = 0; id < 10; id++) {
      stand.submit(id, 4, 1_000);
      await stand.clock.advance(200);
    }
    stand.fit = 100;
    await stand.clock.advance(20_000);
    stand.submit(10, 4, 1_000);
    await stand.clock.advance(2_000);
    stand.submit(11, 4, 1_000);
    await stand.clock.advance(2_000);
    assert.deepEqual(stand.outcomes[11], [1100, 1101, 1102, 1103]);
    assert.equal(stand.recycled, 0);
  });
});
