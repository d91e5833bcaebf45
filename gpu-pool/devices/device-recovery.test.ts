import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  capOf,
  type DeviceAction,
  type DeviceEvent,
  type DeviceState,
  isReady,
  next,
  startedAt,
  verdict,
} from "./device-recovery.ts";

const MINUTE = 60_000;
const UNCAPPED = { kind: "run", cap: Number.POSITIVE_INFINITY };

/** A device whose events come one after another. */
class Device {
  state: DeviceState = startedAt(0);
  now = 0;
  readonly actions: DeviceAction[] = [];

  /** An event of the model `m`, unless it names another one. */
  on(
    event: { [Kind in DeviceEvent["kind"]]: Omit<Extract<DeviceEvent, { kind: Kind }>, "model"> }[DeviceEvent["kind"]],
    model = "m",
  ): this {
    const { state, action } = next(this.state, { ...event, model } as DeviceEvent, this.now);
    this.state = state;
    if (action) this.actions.push(action);
    return this;
  }

  outOfMemory(rows: number, model = "m"): this {
    return this.on({ kind: "out_of_memory", rows }, model);
  }

  succeeded(model = "m"): this {
    return this.on({ kind: "succeeded" }, model);
  }

  wait(ms: number): this {
    this.now += ms;
    return this;
  }

  verdict(model = "m") {
    return verdict(this.state, model, this.now);
  }

  get cap(): number {
    const now = this.verdict();
    return now.kind === "run" ? now.cap : 0;
  }

  get last(): string | undefined {
    return this.actions.at(-1)?.kind;
  }
}

describe("a device that is out of memory", () => {
  test("runs half of what failed, and of that again", () => {
    const device = new Device().outOfMemory(64);
    assert.equal(device.cap, 32);
    assert.equal(device.outOfMemory(32).cap, 16);
    assert.equal(device.outOfMemory(3).cap, 1);
    assert.deepEqual(device.actions, []);
  });

  test("caps only the model that failed", () => {
    assert.deepEqual(new Device().outOfMemory(64).verdict("other"), UNCAPPED);
  });

  test("does not halve again for a batch that was begun before", () => {
    assert.equal(new Device().outOfMemory(64).outOfMemory(64).cap, 32);
  });

  test("tries twice as much after each quiet time, until nothing caps it", () => {
    const device = new Device().outOfMemory(8).wait(9_999);
    assert.equal(device.cap, 4);
    assert.equal(device.wait(1).cap, 8);
    assert.equal(device.wait(10_000).cap, 16);
    device.wait(100_000).on({ kind: "asked" });
    assert.deepEqual(device.verdict(), UNCAPPED);
    assert.equal(device.state.kind === "serving" && device.state.models.size, 0);
  });

  test("waits twice as long when the larger batch failed again, up to ten minutes", () => {
    const device = new Device().outOfMemory(8);
    for (const quietMs of [10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000]) {
      assert.equal(device.wait(quietMs - 1).cap, 4);
      assert.equal(device.wait(1).cap, 8);
      assert.equal(device.outOfMemory(8).cap, 4);
    }
  });

  test("lets one row fail alone, without doing more", () => {
    const device = new Device().outOfMemory(1);
    assert.deepEqual([device.cap, device.actions.length], [1, 0]);
  });

  test("is not brought down by rows that are too large, as long as others succeed", () => {
    const device = new Device().wait(MINUTE);
    for (let row = 0; row < 50; row++) device.outOfMemory(1).succeeded();
    assert.deepEqual(device.actions, []);
  });

  test("renews the sessions at the second row in a row, and runs nothing of the model meanwhile", () => {
    const device = new Device().outOfMemory(1).outOfMemory(1);
    assert.deepEqual(device.actions, [{ kind: "renew", model: "m" }]);
    assert.equal(device.verdict().kind, "refuse");
    assert.deepEqual(device.verdict("other"), UNCAPPED);
    assert.ok(isReady(device.state));
  });

  test("begins with single rows after a renewal", () => {
    const device = new Device().outOfMemory(1).outOfMemory(1).on({ kind: "renewed" });
    assert.equal(device.cap, 1);
    assert.equal(device.succeeded().wait(10_000).cap, 2);
  });

  test("renews once for any number of failures that come while it does", () => {
    const device = new Device().outOfMemory(1).outOfMemory(1).outOfMemory(1).outOfMemory(64);
    assert.equal(device.actions.length, 1);
  });

  test("recycles the process when new sessions do not help", () => {
    const device = new Device().succeeded().wait(MINUTE).outOfMemory(1).outOfMemory(1).on({ kind: "renewed" });
    device.outOfMemory(1);
    assert.equal(device.last, "renew");
    device.outOfMemory(1);
    assert.equal(device.last, "recycle");
    assert.ok(!isReady(device.state));
    assert.equal(device.verdict("other").kind, "refuse");
  });

  test("recycles the process when there are no new sessions to be had", () => {
    const device = new Device().succeeded().wait(MINUTE).outOfMemory(1).outOfMemory(1);
    assert.equal(device.on({ kind: "renewal_failed", reason: "no" }).last, "recycle");
  });

  test("renews again, and not more, where the new sessions have worked in between", () => {
    const device = new Device().succeeded().wait(MINUTE);
    for (let round = 0; round < 5; round++) {
      device.outOfMemory(1).outOfMemory(1).on({ kind: "renewed" }).succeeded();
    }
    assert.deepEqual(
      device.actions.map(({ kind }) => kind),
      new Array(5).fill("renew"),
    );
  });

  test("lets the model rest instead where it has never run in this process: it would not in the next one", () => {
    const device = new Device().wait(MINUTE).outOfMemory(1).outOfMemory(1).on({ kind: "renewal_failed", reason: "no" });
    assert.deepEqual(device.verdict(), { kind: "refuse", why: "resting", retryAfterMs: 5_000 });
    assert.ok(isReady(device.state));
  });

  test("lets the model rest instead where the process is younger than a minute", () => {
    const device = new Device()
      .succeeded()
      .wait(MINUTE - 1)
      .outOfMemory(1)
      .outOfMemory(1);
    device.on({ kind: "renewal_failed", reason: "no" });
    assert.deepEqual(device.actions.length, 1);
    assert.equal(device.verdict().kind, "refuse");
  });

  test("tries a resting model again when it is asked for and the rest is over, and rests twice as long each time", () => {
    const device = new Device().outOfMemory(1).outOfMemory(1).on({ kind: "renewal_failed", reason: "no" });
    for (const restMs of [5, 10, 20, 40, 80, 160, 300, 300].map((seconds) => seconds * 1_000)) {
      const before = device.actions.length;
      device.wait(restMs - 1).on({ kind: "asked" });
      assert.equal(device.actions.length, before);
      device.wait(1).on({ kind: "asked" }).on({ kind: "asked" });
      assert.equal(device.actions.length, before + 1);
      assert.equal(device.last, "renew");
      device.on({ kind: "renewal_failed", reason: "no" });
    }
  });

  test("forgets a model that has left", () => {
    const device = new Device().succeeded().outOfMemory(1).outOfMemory(1).on({ kind: "closed" });
    assert.deepEqual(device.verdict(), UNCAPPED);
    assert.deepEqual(device.on({ kind: "renewed" }).verdict(), UNCAPPED);
  });
});

describe("a device whose context is lost", () => {
  test("recycles the process at once, whatever else goes on", () => {
    for (const before of [
      new Device(),
      new Device().outOfMemory(8),
      new Device().outOfMemory(1).outOfMemory(1),
      new Device().outOfMemory(1).outOfMemory(1).on({ kind: "renewal_failed", reason: "no" }),
    ]) {
      before.on({ kind: "sticky", reason: "CUDA failure 700" });
      assert.deepEqual(before.actions.at(-1), { kind: "recycle", reason: "CUDA failure 700" });
      assert.ok(!isReady(before.state));
    }
  });

  test("runs nothing any more and asks for nothing a second time", () => {
    const device = new Device().on({ kind: "sticky", reason: "CUDA failure 700" });
    const after = device.state;
    device.succeeded().on({ kind: "sticky", reason: "CUDA failure 719" }).outOfMemory(1).on({ kind: "renewed" });
    device.wait(10 * MINUTE).on({ kind: "asked" });
    assert.equal(device.actions.length, 1);
    assert.equal(device.state, after);
    assert.equal(device.verdict().kind, "refuse");
  });
});

describe("whatever happens to a device", () => {
  const model = fc.constantFrom("a", "b", "c");
  const event: fc.Arbitrary<DeviceEvent> = fc.oneof(
    fc.record({ kind: fc.constant("asked" as const), model }),
    fc.record({ kind: fc.constant("succeeded" as const), model }),
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("out_of_memory" as const),
        model,
        rows: fc.integer({ min: 1, max: 128 }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("out_of_memory" as const), model, rows: fc.constant(1) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("renewed" as const), model }) },
    fc.record({ kind: fc.constant("renewal_failed" as const), model, reason: fc.constant("no") }),
    fc.record({ kind: fc.constant("closed" as const), model }),
  );
  const steps = fc.array(fc.tuple(event, fc.integer({ min: 0, max: 20_000 })), { maxLength: 150 });

  test("the cap is at least one row, and a failure never raises it", () => {
    fc.assert(
      fc.property(steps, (all) => {
        let state = startedAt(0);
        let now = 0;
        for (const [step, ms] of all) {
          now += ms;
          const before = verdict(state, step.model, now);
          ({ state } = next(state, step, now));
          const after = verdict(state, step.model, now);
          if (after.kind !== "run") continue;
          assert.ok(after.cap >= 1);
          if (step.kind === "out_of_memory" && before.kind === "run") {
            assert.ok(after.cap <= Math.max(1, Math.min(before.cap, Math.floor(step.rows / 2))));
          }
        }
      }),
    );
  });

  test("there is one recycle at most, nothing runs after it, and only a process of a minute is recycled for memory", () => {
    fc.assert(
      fc.property(steps, (all) => {
        let state = startedAt(0);
        let now = 0;
        let recycledAt: number | undefined;
        for (const [step, ms] of all) {
          now += ms;
          const transition = next(state, step, now);
          state = transition.state;
          if (transition.action?.kind === "recycle") {
            assert.equal(recycledAt, undefined);
            recycledAt = now;
          }
          assert.equal(isReady(state), recycledAt === undefined);
          assert.ok(recycledAt === undefined || verdict(state, step.model, now).kind === "refuse");
        }
        assert.ok(recycledAt === undefined || recycledAt >= MINUTE);
      }),
    );
  });

  test("a model is renewed only once until it is told how that ended", () => {
    fc.assert(
      fc.property(steps, (all) => {
        let state = startedAt(0);
        let now = 0;
        const open = new Set<string>();
        for (const [step, ms] of all) {
          now += ms;
          if (["renewed", "renewal_failed", "closed"].includes(step.kind)) open.delete(step.model);
          const { state: after, action } = next(state, step, now);
          state = after;
          if (action?.kind !== "renew") continue;
          assert.ok(!open.has(action.model));
          open.add(action.model);
        }
      }),
    );
  });

  test("memory that never comes back costs a bounded number of renewals: 20 in an hour at most", () => {
    for (const everyMs of [10, 500, 30_000]) {
      const device = new Device();
      for (let at = 0; at < 3_600_000 && isReady(device.state); at += everyMs) {
        device.wait(everyMs).on({ kind: "asked" });
        if (device.verdict().kind === "run") device.outOfMemory(Math.min(64, device.cap));
        if (device.last === "renew" && device.verdict().kind === "refuse") device.on({ kind: "renewed" });
      }
      assert.ok(device.actions.length <= 20, `${device.actions.length} renewals with a request each ${everyMs} ms`);
      assert.ok(device.actions.length >= 2);
    }
  });

  test("from any state, a model that succeeds again runs uncapped in the end", () => {
    fc.assert(
      fc.property(steps, (all) => {
        let state = startedAt(0);
        let now = 0;
        for (const [step, ms] of all) {
          now += ms;
          ({ state } = next(state, step, now));
        }
        if (state.kind === "recycling") return;
        for (const kind of ["asked", "renewed", "succeeded", "asked"] as const) {
          now += 7_200_000;
          ({ state } = next(state, { kind, model: "a" }, now));
        }
        assert.deepEqual(verdict(state, "a", now), UNCAPPED);
        assert.equal(
          capOf(state.kind === "serving" ? state.models.get("a") : undefined, now),
          Number.POSITIVE_INFINITY,
        );
      }),
    );
  });
});
