/** Linux only: elsewhere there is nothing to read. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { until } from "../support/until.ts";
import { cpuMs, watchOthers } from "./process-cpu.ts";

const burn = "const end = process.cpuUsage().user + 300_000; while (process.cpuUsage().user < end);";

describe("CPU time", { skip: !existsSync("/proc/stat") }, () => {
  test("what a child has used is counted after its end", () => {
    const before = cpuMs(process.pid)!;
    spawnSync(process.execPath, ["-e", burn]);
    assert.ok(cpuMs(process.pid)! - before >= 300);
  });

  test("what a stranger uses is seen", async () => {
    const startedAt = performance.now();
    const othersCores = watchOthers();
    // The shell ends at once, which leaves its child to another parent.
    spawnSync("sh", ["-c", `"$0" -e "$1" &`, process.execPath, burn], { stdio: "ignore" });
    await until("300 ms of CPU time to be seen", () => othersCores()! * (performance.now() - startedAt) >= 300);
  });

  test("a process that is not there has no CPU time", () => {
    assert.equal(cpuMs(2 ** 30), undefined);
  });
});
