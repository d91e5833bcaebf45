import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { causesNotTold, linesOf } from "./death-causes.ts";
import type { Ending } from "./kill-schedule.ts";

const TIME = "2026-01-02T03:04:05.678Z";

function died(cause: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ time: TIME, pid: 7, code: null, signal: null, msg: "serving process died", ...cause });
}

const RIGHT: readonly (readonly [Ending, string])[] = [
  ["SIGKILL", died({ signal: "SIGKILL" })],
  ["SIGSEGV", died({ signal: "SIGSEGV" })],
  ["SIGABRT", died({ signal: "SIGABRT" })],
  ["SIGSTOP", died({ signal: "SIGKILL", reason: "its event loop stood still for 800 ms" })],
  ["SIGTERM", died({ code: 0 })],
  ["hang", died({ signal: "SIGKILL", reason: "a run of model loop, version 1 has not ended after 1001 ms" })],
];

describe("the causes of deaths", () => {
  test("are told when each line is of the end at its place, whatever else was written", () => {
    const output = RIGHT.flatMap(([, line]) => ["a warning", "{}", line, ""]).join("\n");
    assert.deepEqual(
      causesNotTold(
        RIGHT.map(([by]) => by),
        output,
      ),
      [],
    );
    const early = died({ signal: "SIGKILL", reason: "it did not get as far as its first word in 3000 ms" });
    assert.deepEqual(causesNotTold(["SIGSTOP", "SIGTERM"], [early, died({ signal: "SIGTERM" })].join("\n")), []);
  });

  test("are not told by the line of another end", () => {
    for (const [by] of RIGHT) {
      for (const [other, line] of RIGHT) assert.equal(causesNotTold([by], line).length, by === other ? 0 : 1);
    }
  });

  test("are not told where a death is missing, or nobody ended a process", () => {
    const line = died({ signal: "SIGKILL" });
    assert.match(causesNotTold(["SIGKILL", "SIGKILL"], line)[0] ?? "", /2 processes were ended, and 1 have died/);
    assert.match(causesNotTold([], line)[0] ?? "", /0 processes/);
  });

  test("stand in lines whose time is that of this process's clock", () => {
    const now = performance.now();
    const [line] = linesOf(died({ time: new Date().toISOString() }));
    assert.ok(line && Math.abs(line.at - now) < 1_000, `${line?.at} at ${now}`);
  });
});
