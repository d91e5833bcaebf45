import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { totalmem } from "node:os";
import { describe, test } from "node:test";
import type { OverloadReadings } from "./overload-stage.ts";
import {
  descriptorLimit,
  memoryLimit,
  mostConnections,
  ProcessReadings,
  readDescriptorLimit,
  SAMPLE_MS,
  standingDelay,
} from "./process-readings.ts";

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units
Max processes             96365                96365                processes
Max open files            1024                 524288               files
`;
const linux = { skip: process.platform !== "linux" };

/** Samples until `enough` says so. */
async function sample(
  limits: { memoryLimitBytes: number; descriptorLimit: number | undefined },
  enough: (readings: OverloadReadings, count: number) => boolean,
): Promise<OverloadReadings> {
  const { promise, resolve } = Promise.withResolvers<OverloadReadings>();
  let count = 0;
  const readings = new ProcessReadings({
    ...limits,
    onSample: (one) => {
      if (enough(one, ++count)) resolve(one);
    },
  });
  // The sampling itself keeps nothing alive.
  const alive = setTimeout(() => undefined, 60_000);
  try {
    return await promise;
  } finally {
    clearTimeout(alive);
    readings.stop();
  }
}

function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe("process readings", () => {
  test("one long delay is a burst, the second within four samples is a loop that does not keep up", () => {
    assert.equal(standingDelay([]), 0);
    assert.equal(standingDelay([1_200]), 0);
    assert.equal(standingDelay([3, 1_200, 5, 2]), 5);
    assert.equal(standingDelay([400, 2, 1_200, 3]), 400);
  });

  test("the soft limit of descriptors is read; unlimited and unreadable are no limit", () => {
    assert.equal(readDescriptorLimit(LIMITS), 1024);
    assert.equal(readDescriptorLimit(LIMITS.replace("1024 ", "unlimited ")), undefined);
    assert.equal(readDescriptorLimit(""), undefined);
  });

  test("the limit of descriptors is the one that the shell states", linux, () => {
    const stated = execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim();
    assert.equal(descriptorLimit(), stated === "unlimited" ? undefined : Number(stated));
  });

  test("the memory limit is the machine's memory or less", () => {
    assert.ok(memoryLimit() > 0 && memoryLimit() <= totalmem());
  });

  test("memory is the resident set as a share of the limit", async () => {
    const limit = process.memoryUsage.rss() * 2;
    const { memoryShare } = await sample({ memoryLimitBytes: limit, descriptorLimit: undefined }, () => true);
    assert.ok(memoryShare > 0.4 && memoryShare < 0.7, String(memoryShare));
  });

  test("descriptors that are opened are seen", linux, async () => {
    const limits = { memoryLimitBytes: 1e12, descriptorLimit: 1_000 };
    const before = await sample(limits, (_, count) => count >= 3);
    const opened = Array.from({ length: 200 }, () => openSync("/dev/null", "r"));
    try {
      const after = await sample(limits, (_, count) => count >= 3);
      const rise = after.descriptorShare - before.descriptorShare;
      assert.ok(rise > 0.19 && rise < 0.21, String(rise));
    } finally {
      for (const descriptor of opened) closeSync(descriptor);
    }
  });

  test("a loop that is blocked again and again shows its delay; one that is idle shows next to none", async () => {
    const limits = { memoryLimitBytes: 1e12, descriptorLimit: undefined };
    const blocking = setInterval(() => block(150), SAMPLE_MS / 2);
    const blocked = await sample(limits, ({ eventLoopMs }) => eventLoopMs >= 100);
    clearInterval(blocking);
    assert.ok(blocked.eventLoopMs >= 100);
    const idle = await sample(limits, (_, count) => count >= 6);
    assert.ok(idle.eventLoopMs < 100, String(idle.eventLoopMs));
  });

  test("the limit of connections leaves descriptors for all else, and is never none", linux, async () => {
    assert.ok((await mostConnections(1_024)) < 1_024 * 0.95 - 32);
    assert.ok((await mostConnections(1_024)) > 700);
    assert.equal(await mostConnections(16), 1);
  });
});
