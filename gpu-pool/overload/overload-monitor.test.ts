import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OverloadMonitor, type OverloadMonitorOptions } from "./overload-monitor.ts";
import type { OverloadReadings } from "./overload-stage.ts";
import { SAMPLE_MS } from "./process-readings.ts";

const CALM: OverloadReadings = { eventLoopMs: 0, memoryShare: 0.3, descriptorShare: 0.1 };
const short = (memoryShare: number) => ({ ...CALM, memoryShare });

function monitor(options: Partial<OverloadMonitorOptions> = {}) {
  const lines: { level: string; fields: object; message: string | undefined }[] = [];
  const write = (level: string) => (fields: object, message?: string) => void lines.push({ level, fields, message });
  const log = { warn: write("warn"), info: write("info") };
  const overload = new OverloadMonitor({ log, random: () => 0, ...options });
  const observe = (readings: OverloadReadings, times = 1) => {
    for (let count = 0; count < times; count++) overload.observe(readings);
  };
  return { overload, observe, lines };
}

describe("overload monitor", () => {
  test("at first everything is admitted and nothing is left out", () => {
    const { overload } = monitor();
    assert.equal(overload.stage, "normal");
    assert.ok(overload.admits("batch"));
    assert.deepEqual([overload.lean, overload.closesConnections, overload.refusesAll], [false, false, false]);
  });

  test("each stage keeps what the ones before it do", () => {
    const { overload, observe } = monitor();
    const effects = [0.8, 0.85, 0.89, 0.92, 0.95].map((share) => {
      observe(short(share));
      const classes = (["critical", "default", "sheddable", "batch"] as const).filter((name) => overload.admits(name));
      return [overload.lean, overload.closesConnections, classes.length, overload.refusesAll];
    });
    assert.deepEqual(effects, [
      [true, false, 4, false],
      [true, true, 4, false],
      [true, true, 2, false],
      [true, true, 1, false],
      [true, true, 0, true],
    ]);
  });

  test("a change is one line with its cause; a sample that changes nothing is none", () => {
    const { observe, lines } = monitor();
    observe(short(0.9), 5);
    observe(CALM, 20);
    assert.deepEqual(
      lines.map(({ level, message }) => `${level}: ${message}`),
      ["warn: overload stage raised", ...new Array<string>(3).fill("info: overload stage lowered")],
    );
    assert.deepEqual(lines[0]?.fields, {
      from: "normal",
      to: "shed_sheddable",
      resource: "memoryShare",
      ...short(0.9),
    });
  });

  test("a refusal is counted by class and says when the class can be admitted at the earliest", () => {
    const { overload, observe } = monitor();
    observe(short(1));
    const waits = (["critical", "default", "sheddable", "unread"] as const).map((name) => {
      const { code, status, retryAfterSeconds } = overload.refuse(name);
      assert.deepEqual([code, status], ["overloaded", 503]);
      return retryAfterSeconds;
    });
    assert.deepEqual(waits, [1, 2, 3, 2]);
    assert.deepEqual(overload.refused, { critical: 1, default: 1, sheddable: 1, batch: 0, unread: 1 });
  });

  test("what is refused together is told different times", () => {
    const draws = [0, 0.99];
    const { overload, observe } = monitor({ random: () => draws.shift() ?? 0 });
    observe(short(1));
    assert.deepEqual(
      [overload.refuse("batch"), overload.refuse("batch")].map((error) => error.retryAfterSeconds),
      [3, 5],
    );
  });

  test("connections are let go when descriptors are short, and only then", () => {
    let calls = 0;
    const { observe } = monitor({ onShortOfDescriptors: () => calls++ });
    observe({ ...CALM, descriptorShare: 0.69 });
    observe({ ...CALM, eventLoopMs: 5_000, memoryShare: 1 });
    assert.equal(calls, 0);
    observe({ ...CALM, descriptorShare: 0.7 }, 3);
    assert.equal(calls, 3);
  });

  test("memory is asked back at once when it is short, then at growing intervals", () => {
    let calls = 0;
    const { observe } = monitor({ onShortOfMemory: () => calls++ });
    observe(short(0.84), 100);
    assert.equal(calls, 0);
    observe(short(0.86));
    assert.equal(calls, 1);
    observe(short(0.86), 2_000 / SAMPLE_MS - 1);
    assert.equal(calls, 1);
    observe(short(0.86));
    assert.equal(calls, 2);
    observe(short(0.86), 60_000 / SAMPLE_MS);
    assert.equal(calls, 6);
    observe(CALM);
    observe(short(0.86));
    assert.equal(calls, 7);
  });

  test("memory that stays short for a minute is said to be stuck, once", () => {
    let calls = 0;
    const { observe } = monitor({ onStuck: () => calls++ });
    observe(CALM);
    observe(short(0.93), 60_000 / SAMPLE_MS - 1);
    observe(CALM);
    observe(short(0.93), 60_000 / SAMPLE_MS - 1);
    assert.equal(calls, 0);
    observe(short(0.93), 1_000);
    assert.equal(calls, 1);
  });

  test("memory that was short from the start is not stuck: a new process would be the same", () => {
    let calls = 0;
    const { observe } = monitor({ onStuck: () => calls++ });
    observe(short(1), 1_000);
    assert.equal(calls, 0);
  });
});
