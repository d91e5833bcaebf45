import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { PRIORITY_CLASSES, type PriorityClass } from "../../protocol/priority.ts";
import { IMPORTANCES, importanceOf } from "../importance.ts";
import { type NodeWord, type ShedDecision, type Sheddable, shedDecision } from "./shed-decision.ts";

const EPOCH_MS = 1_767_225_600_000;
/** A request that is not one of the fifty. */
const NOT_ANYWAY = 0.5;

const ms = fc.integer({ min: 0, max: 6_000 });
const words = fc.record({
  waitMs: ms,
  admissionLevel: fc.integer({ min: 1, max: IMPORTANCES }),
  ageMs: fc.integer({ min: -100, max: 3_500 }),
});
const requests = fc.record({
  priorityClass: fc.constantFrom(...PRIORITY_CLASSES),
  tenant: fc.constantFrom("a", "b", "c", "d", "e"),
  remainingMs: ms,
  runMs: fc.integer({ min: 0, max: 1_000 }),
});
const more = fc.integer({ min: 0, max: 5_000 });

const decide = (word: NodeWord, request: Sheddable): ShedDecision => shedDecision(word, request, EPOCH_MS, NOT_ANYWAY);
/** How little it is wanted: 0 when it is sent, else how long until it would be. */
const refusedFor = (word: NodeWord, request: Sheddable): number => {
  const decision = decide(word, request);
  return decision.kind === "send" ? 0 : decision.retryAfterMs;
};
const idle: NodeWord = { waitMs: 0, admissionLevel: IMPORTANCES, ageMs: 0 };
const request: Sheddable = { priorityClass: "default", tenant: "a", remainingMs: 1_000, runMs: 100 };
const importance = (priorityClass: PriorityClass, tenant = "a") =>
  importanceOf(PRIORITY_CLASSES.indexOf(priorityClass), tenant, EPOCH_MS);

describe("shedding", () => {
  test("a request is sent that fits into its time, and one that does not is refused with what is missing", () => {
    assert.deepEqual(decide({ ...idle, waitMs: 900 }, request), { kind: "send" });
    const late = { kind: "refuse", reason: "wait", shortageMs: 50, retryAfterMs: 50 };
    assert.deepEqual(decide({ ...idle, waitMs: 950 }, request), late);
    assert.deepEqual(decide({ ...idle, waitMs: 1_000, ageMs: 50 }, request), late);
  });

  test("importances from the level on are refused, those below it are sent", () => {
    for (const priorityClass of ["default", "sheddable", "batch"] as const) {
      const level = importance(priorityClass);
      const asked = { ...request, priorityClass };
      assert.equal(decide({ ...idle, admissionLevel: level + 1 }, asked).kind, "send");
      assert.deepEqual(
        { ...decide({ ...idle, admissionLevel: level }, asked), retryAfterMs: 0 },
        { kind: "refuse", reason: "level", retryAfterMs: 0 },
      );
    }
  });

  test("whose turn it is to be refused is another one an hour later", () => {
    const tenants = Array.from({ length: 100 }, (_, index) => `tenant-${index}`);
    const word = { ...idle, admissionLevel: 192 };
    const refused = (epochMs: number) =>
      tenants.filter((tenant) => shedDecision(word, { ...request, tenant }, epochMs, NOT_ANYWAY).kind === "refuse");
    assert.notDeepEqual(refused(EPOCH_MS), refused(EPOCH_MS + 3_600_000));
    assert.ok(refused(EPOCH_MS).length > 20 && refused(EPOCH_MS).length < 80);
  });

  test("a critical request is refused only where its own run does not fit", () => {
    fc.assert(
      fc.property(words, requests, (word, request) => {
        const decision = decide(word, { ...request, priorityClass: "critical" });
        if (request.runMs <= request.remainingMs) assert.equal(decision.kind, "send");
        else if (decision.kind === "refuse") assert.equal(decision.reason, "wait");
      }),
    );
    assert.equal(decide(idle, { ...request, priorityClass: "critical", runMs: 1_001 }).kind, "refuse");
  });

  test("a lower class is refused whenever a higher one is, and for no shorter time", () => {
    fc.assert(
      fc.property(words, requests, (word, request) => {
        const times = PRIORITY_CLASSES.map((priorityClass) => refusedFor(word, { ...request, priorityClass }));
        assert.deepEqual(
          times,
          times.toSorted((a, b) => a - b),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  test("more time, a shorter wait, a shorter run or a higher level never makes it less welcome", () => {
    fc.assert(
      fc.property(words, requests, more, (word, request, more) => {
        const before = refusedFor(word, request);
        assert.ok(refusedFor(word, { ...request, remainingMs: request.remainingMs + more }) <= before);
        assert.ok(refusedFor({ ...word, waitMs: Math.max(0, word.waitMs - more) }, request) <= before);
        assert.ok(refusedFor(word, { ...request, runMs: Math.max(0, request.runMs - more) }) <= before);
        const admissionLevel = Math.min(IMPORTANCES, word.admissionLevel + more);
        assert.ok(refusedFor({ ...word, admissionLevel }, request) <= before);
      }),
      { numRuns: 1_000 },
    );
  });

  test("after the time that it tells, and not before, the same request is sent on the same word", () => {
    const refusals = { wait: 0, level: 0 };
    fc.assert(
      fc.property(words, requests, (word, request) => {
        const decision = decide(word, request);
        if (decision.kind === "send") return;
        refusals[decision.reason]++;
        const ageMs = Math.max(0, word.ageMs);
        const later = (ms: number) => decide({ ...word, ageMs: ageMs + ms }, request).kind;
        assert.ok(decision.retryAfterMs > 0);
        assert.equal(later(decision.retryAfterMs), "send");
        assert.equal(later(Math.min(3_000 - ageMs, decision.retryAfterMs) - 1), "refuse");
      }),
      { numRuns: 2_000 },
    );
    assert.ok(refusals.wait > 100 && refusals.level > 100, JSON.stringify(refusals));
  });

  test("where a queue is longer than the word is trusted, the time it takes is told all the same", () => {
    const decision = decide({ ...idle, waitMs: 10_000 }, request);
    assert.deepEqual(decision, { kind: "refuse", reason: "wait", shortageMs: 9_100, retryAfterMs: 9_100 });
  });

  test("a word of 3 s says nothing", () => {
    const word = { waitMs: 60_000, admissionLevel: 1, ageMs: 3_000 };
    const hopeless: Sheddable = { priorityClass: "batch", tenant: "a", remainingMs: 10, runMs: 100 };
    assert.equal(decide(word, hopeless).kind, "send");
    assert.equal(decide({ ...word, ageMs: 2_999 }, hopeless).kind, "refuse");
  });

  test("one in fifty is sent whatever the node said, and no more", () => {
    const hopeless: Sheddable = { priorityClass: "batch", tenant: "a", remainingMs: 10, runMs: 100 };
    const word = { waitMs: 60_000, admissionLevel: 1, ageMs: 0 };
    const draws = Array.from({ length: 1_000 }, (_, index) => index / 1_000);
    const sent = draws.filter((random) => shedDecision(word, hopeless, EPOCH_MS, random).kind === "send");
    assert.equal(sent.length, 20);
  });
});
