import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import { isAlive } from "../../support/pool.ts";
import { until } from "../../support/until.ts";
import { endTree, treeOf } from "./process-tree.ts";

const row = (pid: number, parent: number, group: number) => ({ pid, parent, group, startedAt: "then" });

describe("the tree of a process", () => {
  test("holds children in groups of their own, and members of the group whose parent has gone", () => {
    const table = [row(1, 0, 1), row(30, 20, 30), row(20, 10, 20), row(10, 5, 10), row(40, 1, 10), row(50, 1, 50)];
    const pids = treeOf(10, table).map(({ pid }) => pid);
    assert.deepEqual(
      pids.sort((a, b) => a - b),
      [10, 20, 30, 40],
    );
  });

  test("ends whole, with a grandchild that left the group and ignores SIGTERM", {
    skip: process.platform === "win32",
  }, async () => {
    const grandchild = `process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log(process.pid);`;
    const child = `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(grandchild)}], { detached: true, stdio: "inherit" }); setInterval(() => {}, 1000);`;
    const root = spawn(process.execPath, ["-e", child], { detached: true, stdio: ["ignore", "pipe", "ignore"] });
    const [printed] = await once(root.stdout, "data");
    const pid = Number(String(printed));
    assert.ok(isAlive(pid));
    await endTree(root, 200);
    // A process that its new parent has not reaped yet still answers to signal 0.
    await until("the grandchild to be reaped", () => !isAlive(pid)).catch(() => assert.fail("it lives"));
    assert.ok(root.killed);
  });
});
