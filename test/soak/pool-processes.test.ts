import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import { childrenOf, openDescriptors, processesWith, strays } from "./pool-processes.ts";

const IS_LINUX = process.platform === "linux";

describe("processes of a pool", () => {
  test("are lost when no chain of parents leads to the root", () => {
    const one = (pid: number, parent: number) => ({ pid, parent, command: "" });
    const lost = strays([one(10, 1), one(11, 10), one(12, 11), one(20, 1), one(21, 20), one(30, 11)], 10);
    assert.deepEqual(
      lost.map(({ pid }) => pid),
      [20, 21],
    );
  });

  test("are found by their environment wherever they hang, and not once they have ended", {
    skip: !IS_LINUX,
  }, async () => {
    const mark = `mark-${process.pid}-${performance.now()}`;
    const outer = `setTimeout(() => {}, 60_000); require("node:child_process").spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)"], { stdio: "ignore" }).on("spawn", () => console.log())`;
    const child = spawn(process.execPath, ["-e", outer], {
      ...{ env: { TMPDIR: mark }, stdio: ["ignore", "pipe", "ignore"] },
    });
    const { pid = 0, stdout } = child;
    await once(stdout ?? child, "data");
    const found = processesWith("TMPDIR", mark);
    assert.equal(found.length, 2);
    assert.deepEqual(strays(found, pid), []);
    assert.ok(childrenOf(process.pid).includes(pid));
    child.kill("SIGKILL");
    await once(child, "exit");
    const [orphan, ...others] = strays(processesWith("TMPDIR", mark), pid);
    assert.ok(orphan && others.length === 0);
    process.kill(orphan.pid, "SIGKILL");
    while (processesWith("TMPDIR", mark).length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test("have as many open files as they have opened", { skip: !IS_LINUX }, async () => {
    const { open } = await import("node:fs/promises");
    const before = openDescriptors(process.pid);
    const file = await open("/dev/null");
    assert.equal(openDescriptors(process.pid), before + 1);
    await file.close();
  });
});
