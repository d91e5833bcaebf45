import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { PRIORITY_CLASSES } from "../../shared/protocol/priority.ts";
import {
  admits,
  CALM_SAMPLES,
  NO_OVERLOAD,
  next,
  OVERLOAD_STAGES,
  type OverloadReadings,
  type OverloadState,
  scarcest,
  severity,
  stagesUntilAdmitted,
} from "./overload-stage.ts";

const CALM: OverloadReadings = { eventLoopMs: 0, memoryShare: 0.3, descriptorShare: 0.1 };
const share = fc.double({ min: 0, max: 1.5, noNaN: true });
const readings = fc.record({
  eventLoopMs: fc.double({ min: 0, max: 3_000, noNaN: true }),
  memoryShare: share,
  descriptorShare: share,
});
const state = fc.record({
  stage: fc.constantFrom(...OVERLOAD_STAGES),
  calmSamples: fc.integer({ min: 0, max: CALM_SAMPLES - 1 }),
});

/** The state after each sample. */
function run(samples: readonly OverloadReadings[], from: OverloadState = NO_OVERLOAD): OverloadState[] {
  let now = from;
  return samples.map((sample) => {
    now = next(now, sample);
    return now;
  });
}

describe("overload stages", () => {
  test("one sample is enough to go up, by as many stages as it asks for", () => {
    assert.equal(next(NO_OVERLOAD, { ...CALM, memoryShare: 0.8 }).stage, "lean");
    assert.equal(next(NO_OVERLOAD, { ...CALM, descriptorShare: 0.7 }).stage, "closing");
    assert.equal(next(NO_OVERLOAD, { ...CALM, eventLoopMs: 300 }).stage, "shed_sheddable");
    assert.equal(next(NO_OVERLOAD, { ...CALM, memoryShare: 0.92 }).stage, "critical_only");
    assert.equal(next(NO_OVERLOAD, { ...CALM, descriptorShare: 1 }).stage, "refusing");
  });

  test("a reading just below its threshold changes nothing", () => {
    for (const sample of [{ eventLoopMs: 99.9 }, { memoryShare: 0.799 }, { descriptorShare: 0.699 }]) {
      assert.deepEqual(next(NO_OVERLOAD, { ...CALM, ...sample }), NO_OVERLOAD);
    }
  });

  test("worse readings never lead to a milder stage", () => {
    fc.assert(
      fc.property(state, fc.array(fc.tuple(readings, readings), { maxLength: 30 }), (from, pairs) => {
        const worse = pairs.map(([a, b]) => ({
          eventLoopMs: Math.max(a.eventLoopMs, b.eventLoopMs),
          memoryShare: Math.max(a.memoryShare, b.memoryShare),
          descriptorShare: Math.max(a.descriptorShare, b.descriptorShare),
        }));
        const milderRun = run(
          pairs.map(([a]) => a),
          from,
        );
        run(worse, from).forEach((after, index) => {
          assert.ok(severity(after.stage) >= severity(milderRun[index]!.stage));
        });
      }),
    );
  });

  test("the stage is never milder than what the readings ask for", () => {
    fc.assert(
      fc.property(state, readings, (from, sample) => {
        assert.ok(severity(next(from, sample).stage) >= severity(next(NO_OVERLOAD, sample).stage));
      }),
    );
  });

  test("on the way down no stage is skipped, and each is kept for its calm samples", () => {
    fc.assert(
      fc.property(fc.array(readings, { maxLength: 60 }), (samples) => {
        let since = 0;
        let before = NO_OVERLOAD;
        for (const after of run(samples)) {
          since++;
          const step = severity(after.stage) - severity(before.stage);
          assert.ok(step >= -1);
          if (step < 0) assert.ok(since >= CALM_SAMPLES);
          if (step !== 0) since = 0;
          before = after;
        }
      }),
    );
  });

  test("from any stage it is normal after a bounded number of calm samples", () => {
    fc.assert(
      fc.property(state, (from) => {
        const calm = new Array<OverloadReadings>(5 * CALM_SAMPLES).fill(CALM);
        assert.equal(run(calm, from).at(-1)?.stage, "normal");
      }),
    );
  });

  test("readings that stay as they are never raise the stage after the first, and end in one stage", () => {
    fc.assert(
      fc.property(state, readings, (from, sample) => {
        const states = run(new Array<OverloadReadings>(8 * CALM_SAMPLES).fill(sample), from);
        for (const [index, { stage }] of states.entries()) {
          if (index > 0) assert.ok(severity(stage) <= severity(states[index - 1]!.stage));
        }
        assert.equal(states.at(-1)?.stage, next(NO_OVERLOAD, sample).stage);
        assert.equal(new Set(states.slice(5 * CALM_SAMPLES).map(({ stage }) => stage)).size, 1);
      }),
    );
  });

  test("readings that jump about a threshold do not move the stage with them", () => {
    const jumping = Array.from({ length: 50 }, (_, index) => ({ ...CALM, memoryShare: index % 2 ? 0.88 : 0.9 }));
    assert.deepEqual(new Set(run(jumping).map(({ stage }) => stage)), new Set(["shed_sheddable"]));
  });

  test("a class that is admitted is admitted in every milder stage, and before every class below it", () => {
    for (const [index, stage] of OVERLOAD_STAGES.entries()) {
      for (const [level, priority] of PRIORITY_CLASSES.entries()) {
        if (!admits(stage, priority)) continue;
        assert.ok(OVERLOAD_STAGES.slice(0, index).every((milder) => admits(milder, priority)));
        assert.ok(PRIORITY_CLASSES.slice(0, level).every((above) => admits(stage, above)));
      }
    }
    const admitted = OVERLOAD_STAGES.map((stage) => PRIORITY_CLASSES.filter((priority) => admits(stage, priority)));
    assert.deepEqual(
      admitted.map(({ length }) => length),
      [4, 4, 4, 2, 1, 0],
    );
  });

  test("the stages until a class is admitted are those that have to be left", () => {
    for (const [index, stage] of OVERLOAD_STAGES.entries()) {
      for (const priority of PRIORITY_CLASSES) {
        const stages = stagesUntilAdmitted(stage, priority);
        assert.ok(admits(OVERLOAD_STAGES[index - stages]!, priority));
        if (stages > 0) assert.ok(!admits(OVERLOAD_STAGES[index - stages + 1]!, priority));
      }
    }
  });

  test("the scarcest resource is the one whose reading asks for most", () => {
    assert.equal(scarcest(CALM), undefined);
    assert.equal(scarcest({ eventLoopMs: 150, memoryShare: 0.86, descriptorShare: 0.1 }), "memoryShare");
    assert.equal(scarcest({ eventLoopMs: 1_500, memoryShare: 0.94, descriptorShare: 0.9 }), "eventLoopMs");
  });
});
