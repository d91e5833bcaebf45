import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { PRIORITY_CLASSES } from "../../shared/protocol/priority.ts";
import { type DeviceScript, ScriptedDevice } from "../../test/support/scripted-device.ts";

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("submit" as const),
      lane: fc.nat(1),
      rows: fc.integer({ min: 1, max: 5 }),
      bucket: fc.constantFrom("a", "b"),
      tenant: fc.constantFrom("acme", "globex", "initech"),
      priority: fc.constantFrom(...PRIORITY_CLASSES),
      bytes: fc.integer({ min: 1, max: 400 }),
      forMs: fc.integer({ min: -1, max: 80 }),
      digest: fc.option(fc.constantFrom("x", "y"), { nil: undefined }),
      poison: fc.nat(6).map((one) => one === 0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 15 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("stall" as const), ms: fc.integer({ min: 0, max: 15 }) }) },
);

describe("the device scheduler", () => {
  test("whatever comes: one answer each, the right one, in time; every bound holds; nothing is left", async () => {
    const limits = { maxQueueMs: 100, maxQueueItems: 12, maxQueueBytes: 2_000 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.record({
          slots: fc.integer({ min: 1, max: 3 }),
          instances: fc.integer({ min: 1, max: 2 }),
          maxDelayMs: fc.constantFrom(0, 10),
          noise: fc.array(fc.double({ min: 0.5, max: 3, noNaN: true }), { minLength: 1, maxLength: 5 }),
          lastFirst: fc.boolean(),
        }),
        async (steps, settings) => {
          const device = new ScriptedDevice({ ...limits, ...settings, lanes: 2 });
          let stalled = false;
          for (const one of steps) {
            if (one.kind === "advance") await device.clock.advance(one.ms);
            else if (one.kind === "stall") {
              stalled = true;
              await device.clock.stall(one.ms);
            } else if (one.kind === "cancel") device.cancel(one.which);
            else {
              // A poisoned item must not be identical to a healthy one: what is identical shares its fate.
              device.submit({
                ...one,
                digest: one.poison || !one.digest ? undefined : `${one.digest}${one.rows}${one.bucket}`,
              });
              assert.ok(device.scheduler.queuedItems <= limits.maxQueueItems);
              assert.ok(device.scheduler.queuedItems <= 1 || device.scheduler.queuedBytes <= limits.maxQueueBytes);
            }
          }
          let removed = 0;
          for (const lane of device.lanes) void device.scheduler.removeLane(lane).then(() => removed++);
          await device.clock.advance(5_000);
          assert.deepEqual(device.violations, []);
          assert.equal(removed, device.lanes.length, "a drained model was not let go");
          assert.equal(device.scheduler.queuedItems, 0);
          assert.equal(device.scheduler.queuedBytes, 0);
          assert.equal(device.scheduler.running, 0);
          assert.equal(device.clock.timers, 0);
          assert.equal(device.outcomes.size, device.requests.length, "a request was not answered");
          for (const request of device.requests) {
            const { at, code } = device.outcomes.get(request.id)!;
            assert.ok(stalled || at <= request.deadline, "answered after its deadline");
            if (code === "model_failed") assert.equal(request.poison, true, "failed for another item's fault");
            if (code === "ok") assert.equal(request.poison, false);
          }
          for (const { counts } of device.lanes) assert.equal(counts.deadWork, 0);
          const sum = (read: (counts: (typeof device.lanes)[number]["counts"]) => number) =>
            device.lanes.reduce((total, lane) => total + read(lane.counts), 0);
          const ended = device.count("ok") + device.count("model_failed");
          assert.equal(
            sum((counts) => counts.admitted),
            device.requests.length,
          );
          assert.equal(
            sum((counts) => counts.admitted - counts.expired - counts.late - counts.cancelled),
            ended,
          );
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("when runs take what they should and callers allow three batches, what is taken in is finished in time", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 48, max: 200 }),
        async (gaps, forMs) => {
          const device = new ScriptedDevice({});
          for (const gapMs of gaps) {
            await device.clock.advance(gapMs);
            device.submit({ forMs });
          }
          await device.clock.advance(5_000);
          assert.deepEqual(
            device.requests.filter(({ id }) => device.outcomes.get(id)?.code !== "ok"),
            [],
          );
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("a lone item starts as soon as what has arrived is taken in", async () => {
    const device = new ScriptedDevice({});
    device.submit({});
    await device.clock.advance(0);
    assert.deepEqual(device.batches, [[0]]);
  });

  test("what arrives during a run goes together when it ends", async () => {
    const device = new ScriptedDevice({});
    device.submit({});
    await device.clock.advance(1);
    for (let count = 0; count < 3; count++) device.submit({});
    await device.clock.advance(100);
    assert.deepEqual(device.batches, [[0], [1, 2, 3]]);
  });

  test("an item of another shape keeps its place while its neighbours go ahead", async () => {
    const device = new ScriptedDevice({});
    for (const bucket of ["a", "b", "a", "b", "a"]) device.submit({ bucket });
    await device.clock.advance(100);
    assert.deepEqual(device.batches, [
      [0, 2, 4],
      [1, 3],
    ]);
  });

  test("a large item is not put off for ever by small ones that still fit", async () => {
    const device = new ScriptedDevice({ largestBatch: 4 });
    device.submit({ rows: 3 });
    device.submit({ rows: 4 });
    device.submit({ rows: 1 });
    await device.clock.advance(5);
    device.submit({ rows: 1 });
    await device.clock.advance(200);
    assert.deepEqual(device.batches, [[1], [0, 2], [3]]);
  });

  test("no more runs at once than slots, nor than a model has instances", async () => {
    const device = new ScriptedDevice({ slots: 3, instances: 2, lanes: 2, largestBatch: 1 });
    for (let count = 0; count < 4; count++) device.submit({ lane: 0 });
    device.submit({ lane: 1 });
    await device.clock.advance(0);
    assert.deepEqual(device.batches, [[0], [1], [4]]);
    await device.clock.advance(500);
    assert.equal(device.count("ok"), 5);
  });

  describe("order", () => {
    test("a higher class goes first, whenever it came", async () => {
      const device = new ScriptedDevice({ largestBatch: 1 });
      device.submit({});
      await device.clock.advance(1);
      device.submit({ priority: "batch" });
      device.submit({ priority: "sheddable" });
      device.submit({});
      device.submit({ priority: "critical" });
      await device.clock.advance(500);
      assert.deepEqual(device.batches.flat(), [0, 4, 3, 2, 1]);
    });

    test("inside a class the one that must start soonest goes first", async () => {
      const device = new ScriptedDevice({ largestBatch: 1 });
      device.submit({});
      await device.clock.advance(1);
      device.submit({ forMs: 900 });
      device.submit({ forMs: 300 });
      device.submit({ forMs: 600 });
      await device.clock.advance(500);
      assert.deepEqual(device.batches.flat(), [0, 2, 3, 1]);
    });

    test("across models the one that must start soonest goes first", async () => {
      const device = new ScriptedDevice({ lanes: 2 });
      device.submit({});
      await device.clock.advance(1);
      device.submit({ lane: 0, forMs: 900 });
      device.submit({ lane: 1, forMs: 300 });
      await device.clock.advance(500);
      assert.deepEqual(device.batches, [[0], [2], [1]]);
    });

    test("tenants share the device by their weights, whatever they offer", async () => {
      const device = new ScriptedDevice({ largestBatch: 4, weights: { acme: 3, globex: 1 }, maxQueueItems: 1_000 });
      for (let round = 0; round < 40; round++) {
        for (let count = 0; count < 2; count++) device.submit({ tenant: "acme", forMs: 5_000 });
        for (let count = 0; count < 6; count++) device.submit({ tenant: "globex", forMs: 5_000 });
      }
      await device.clock.advance(400);
      const served = device.batches
        .slice(0, -1)
        .flat()
        .map((id) => device.requests[id]!.tenant);
      const acme = served.filter((tenant) => tenant === "acme").length;
      assert.ok(served.length > 50);
      assert.ok(Math.abs(acme / served.length - 0.75) < 0.1, `acme had ${acme} of ${served.length}`);
    });

    test("a newcomer does not wait behind another tenant's backlog", async () => {
      const device = new ScriptedDevice({ largestBatch: 2, maxQueueItems: 1_000 });
      for (let count = 0; count < 60; count++) device.submit({ tenant: "globex", forMs: 5_000 });
      await device.clock.advance(30);
      device.submit({ tenant: "acme", forMs: 5_000 });
      await device.clock.advance(25);
      assert.equal(device.outcomes.get(60)?.code, "ok");
    });

    test("a class below one that never lets up still gets its share", async () => {
      const device = new ScriptedDevice({ largestBatch: 1, maxQueueMs: 200, maxQueueItems: 1_000 });
      for (let count = 0; count < 6; count++) device.submit({ priority: "batch", forMs: 4_000 });
      for (let ms = 0; ms < 3_900; ms += 5) {
        device.submit({ priority: "critical", forMs: 300 });
        await device.clock.advance(5);
      }
      const batchServed = device.requests.filter(
        ({ id, priority }) => priority === "batch" && device.outcomes.get(id)?.code === "ok",
      ).length;
      assert.ok(batchServed >= 4, `${batchServed} of 6`);
    });
  });

  describe("admission", () => {
    test("what cannot be finished in time is refused at once, with the time after which to try again", async () => {
      const device = new ScriptedDevice({ largestBatch: 1 });
      const codes = Array.from({ length: 20 }, () => device.submit({ forMs: 100 }));
      assert.deepEqual(codes, [...Array(9).fill(undefined), ...Array(11).fill("deadline_unreachable")]);
      assert.ok((device.lastRefusal?.retryAfterSeconds ?? 0) >= 1);
      await device.clock.advance(500);
      assert.equal(device.count("ok"), 9);
    });

    test("a tight deadline is met by going before those that can wait", async () => {
      const device = new ScriptedDevice({ largestBatch: 1 });
      for (let count = 0; count < 6; count++) device.submit({ forMs: 1_000 });
      await device.clock.advance(1);
      device.submit({ forMs: 45 });
      await device.clock.advance(500);
      assert.equal(device.count("ok"), 7);
    });

    test("a request that would make an earlier one late is refused", async () => {
      const device = new ScriptedDevice({ largestBatch: 1 });
      for (let count = 0; count < 7; count++) device.submit({ forMs: 100 });
      const before = device.requests.length;
      await device.clock.advance(1);
      for (let count = 0; count < 5; count++) device.submit({ forMs: 60 });
      await device.clock.advance(500);
      for (let id = 0; id < before; id++) assert.equal(device.outcomes.get(id)?.code, "ok");
    });

    test("an idle device takes what runs longer than the queue may be", async () => {
      const device = new ScriptedDevice({ maxQueueMs: 5, baseMs: 300 });
      device.submit({ forMs: 1_000 });
      await device.clock.advance(500);
      assert.equal(device.count("ok"), 1);
    });

    test("after slow runs an idle device tries again, so that a slow moment does not make requests unservable", async () => {
      const device = new ScriptedDevice({ noise: [9, 9, 9, 1] });
      for (let count = 0; count < 3; count++) {
        device.submit({ forMs: 1_000 });
        await device.clock.advance(200);
      }
      assert.equal(device.submit({ forMs: 40 }), undefined);
      await device.clock.advance(100);
      assert.equal(device.outcomes.get(3)?.code, "ok");
    });

    test("one tenant cannot fill the queue", () => {
      const device = new ScriptedDevice({ maxQueueItems: 10 });
      for (let count = 0; count < 20; count++) device.submit({ tenant: "globex", forMs: 5_000 });
      assert.equal(device.scheduler.queuedItems, 8);
      assert.equal(device.submit({ tenant: "acme", forMs: 5_000 }), undefined);
    });

    test("a flood of a lower class leaves room for a higher one", () => {
      const device = new ScriptedDevice({ maxQueueItems: 10 });
      for (const tenant of ["acme", "globex", "initech", "umbrella"]) {
        for (let count = 0; count < 5; count++) device.submit({ tenant, priority: "sheddable", forMs: 5_000 });
      }
      assert.equal(device.scheduler.queuedItems, 7);
      assert.equal(device.submit({ priority: "critical", forMs: 5_000 }), undefined);
    });

    test("a run that overruns makes the wait look longer, not shorter", async () => {
      const device = new ScriptedDevice({ noise: [100] });
      device.submit({ forMs: 10_000 });
      await device.clock.advance(200);
      assert.ok(device.scheduler.load.waitMs > 150);
    });
  });

  describe("failures", () => {
    test("a poisoned item fails alone; all beside it are answered", async () => {
      const device = new ScriptedDevice({ largestBatch: 8 });
      for (let id = 0; id < 8; id++) device.submit({ poison: id === 5, forMs: 2_000 });
      await device.clock.advance(1_000);
      for (let id = 0; id < 8; id++) assert.equal(device.outcomes.get(id)?.code, id === 5 ? "model_failed" : "ok");
      assert.ok(device.batches.length <= 7, "more runs than halving takes");
    });

    test("an item that the executor fails by itself does not touch its neighbours", async () => {
      const device = new ScriptedDevice({ failOnly: new Set([1]) });
      for (let count = 0; count < 3; count++) device.submit({});
      await device.clock.advance(100);
      assert.equal(device.outcomes.get(1)?.code, "model_failed");
      assert.equal(device.count("ok"), 2);
      assert.equal(device.batches.length, 1);
    });

    test("an executor that gives back too few results fails the items left over, not the others", async () => {
      const device = new ScriptedDevice({ resultsShort: 1 });
      for (let count = 0; count < 3; count++) device.submit({});
      await device.clock.advance(100);
      assert.equal(device.count("ok"), 2);
      assert.equal(device.outcomes.size, 3);
    });
  });

  describe("leaving", () => {
    test("a cancelled item makes room at once and is not run", async () => {
      const device = new ScriptedDevice({ maxQueueItems: 2 });
      device.submit({ forMs: 1_000 });
      device.cancel(0);
      assert.equal(device.scheduler.queuedItems, 0);
      await device.clock.advance(100);
      assert.deepEqual(device.batches, []);
      assert.equal(device.outcomes.get(0)?.code, "deadline_exceeded");
    });

    test("an item whose run would end too late leaves at its latest start, not at its deadline", async () => {
      const device = new ScriptedDevice({ largestBatch: 1, noise: [40, 1] });
      device.submit({ forMs: 1_000 });
      await device.clock.advance(0);
      device.submit({ forMs: 60 });
      await device.clock.advance(2_000);
      assert.equal(device.outcomes.get(1)?.code, "deadline_exceeded");
      assert.equal(device.outcomes.get(1)?.at, 60 - device.costOf(1));
      assert.deepEqual(device.batches, [[0]]);
    });

    test("a caller is not made to wait for a run past its deadline", async () => {
      const device = new ScriptedDevice({ noise: [40] });
      device.submit({ forMs: 50 });
      await device.clock.advance(2_000);
      assert.equal(device.outcomes.get(0)?.at, 50);
      assert.equal(device.lanes[0]?.counts.late, 1);
    });
  });

  describe("handing over ahead", () => {
    /** One run from 0 to 10 ms, behind which `count` items wait. */
    const busyDevice = async (script: DeviceScript, count: number) => {
      const device = new ScriptedDevice({ largestBatch: 2, ...script });
      device.submit({});
      await device.clock.advance(1);
      for (let item = 0; item < count; item++) device.submit({});
      return device;
    };

    test("a full batch is at the device before the run in front of it ends, and begins when that ends", async () => {
      const device = await busyDevice({}, 2);
      await device.clock.advance(100);
      assert.deepEqual(device.batches, [[0], [1, 2]]);
      assert.deepEqual(device.handedAt, [0, 8]);
      assert.deepEqual(device.begunAt, [0, 10]);
    });

    test("a batch that may still grow is not", async () => {
      const device = await busyDevice({}, 1);
      await device.clock.advance(8.5);
      device.submit({});
      await device.clock.advance(100);
      assert.deepEqual(device.batches, [[0], [1, 2]]);
      assert.equal(device.handedAt[1], 9.5);
    });

    test("one batch at most waits there, and what came after it goes by its order", async () => {
      const device = await busyDevice({ noise: [2, 1] }, 4);
      await device.clock.advance(10);
      assert.deepEqual(device.handedAt, [0, 8]);
      device.submit({ priority: "critical" });
      await device.clock.advance(100);
      assert.deepEqual(device.batches, [[0], [1, 2], [5, 3], [4]]);
    });

    test("a run whose item is given up before it begins is taken back; who shared it waits on and is served", async () => {
      const device = await busyDevice({ noise: [2, 1] }, 2);
      await device.clock.advance(11);
      assert.deepEqual(device.handedAt, [0, 8]);
      device.cancel(1);
      await device.clock.advance(100);
      assert.deepEqual(device.batches, [[0], [2]]);
      assert.equal(device.outcomes.get(2)?.code, "ok");
      assert.equal(device.lanes[0]?.counts.deadWork, 0);
    });

    test("time spent behind another run counts neither as the model's cost nor as a tenant's use", async () => {
      const device = await busyDevice({ noise: [2, 1] }, 2);
      await device.clock.advance(100);
      assert.equal(device.lanes[0]?.settings.costs.expectedMs("a", 2, 100), device.costOf(2));
    });

    test("when the run in front fails, the one handed over runs before the parts of the failed one", async () => {
      const device = new ScriptedDevice({ largestBatch: 2 });
      device.submit({ poison: true });
      device.submit({});
      await device.clock.advance(1);
      for (let item = 0; item < 3; item++) device.submit({});
      await device.clock.advance(200);
      assert.deepEqual(device.batches.slice(0, 2), [
        [0, 1],
        [2, 3],
      ]);
      assert.deepEqual(device.violations, []);
      assert.equal(device.outcomes.get(0)?.code, "model_failed");
      assert.equal(device.count("ok"), 4);
    });
  });

  describe("identical requests", () => {
    test("share one run and are all answered", async () => {
      const device = new ScriptedDevice({});
      for (let count = 0; count < 100; count++) device.submit({ digest: "same" });
      await device.clock.advance(2);
      device.submit({ digest: "same" });
      await device.clock.advance(100);
      assert.deepEqual(device.batches, [[0]]);
      assert.equal(device.count("ok"), 101);
      assert.equal(device.lanes[0]?.counts.merged, 100);
    });

    test("go on when the first of them leaves", async () => {
      const device = new ScriptedDevice({});
      device.submit({ digest: "same" });
      device.submit({ digest: "same" });
      device.cancel(0);
      await device.clock.advance(100);
      assert.equal(device.outcomes.get(1)?.code, "ok");
    });

    test("one in more of a hurry has a run of its own", async () => {
      const device = new ScriptedDevice({ largestBatch: 1 });
      device.submit({ forMs: 500 });
      await device.clock.advance(1);
      device.submit({ digest: "same", forMs: 900 });
      device.submit({ digest: "same", forMs: 200 });
      await device.clock.advance(500);
      assert.deepEqual(device.batches, [[0], [2], [1]]);
    });
  });
});
