import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { NodeDirectory } from "../../shared/control/routing/node-directory.ts";
import type { Announcement, AnnouncementAnswer } from "../../shared/protocol/pool-node.ts";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { type DescribedModel, NodeDescription } from "../server/node-description.ts";
import { Announcer } from "./announcer.ts";
import type { Delivery, DeliveryFailure } from "./edge-connection.ts";

const IDENTITY = { node: "a", device: "cpu", hardware: "cpu", provider: "cpu", startedAt: 1 };
const SCHEDULER = { load: { waitMs: 0, admissionLevel: 0, slots: 1 } };
const EVERY_MS = 400;

function model(version: number): DescribedModel {
  const digest = "0".repeat(64);
  const identity = {
    name: "m",
    version: String(version),
    digest,
    provider: "cpu",
    description: "",
    deterministic: true,
  };
  return { identity, maxBatch: 0, signature: { inputs: [], outputs: [] } };
}

const answered = (answer: Partial<AnnouncementAnswer> = {}): Delivery => ({
  kind: "answered",
  answer: { modelsWanted: false, everyMs: EVERY_MS, ...answer },
});
const failed = (kind: DeliveryFailure["kind"] = "unreachable"): Delivery => ({ kind, reason: `it is ${kind}` });

/** An announcer whose words are kept with their time; `edge` says what becomes of one. */
function bench(random = 0.5) {
  const clock = new VirtualClock();
  const said: { at: number; word: Announcement }[] = [];
  const lines: { message: string | undefined; fields: object }[] = [];
  const outcomes: string[] = [];
  const write = (fields: object, message?: string) => void lines.push({ message, fields });
  const repository = { ready: true, models: [model(1)], served: () => repository.models };
  const node = new NodeDescription(IDENTITY, repository, SCHEDULER);
  const script = { edge: (_word: Announcement): Delivery | Promise<Delivery> => answered() };
  const announcer = new Announcer({
    ...{ url: "http://127.0.0.1:8000", node, clock, random: () => random },
    ...{ log: { info: write, warn: write }, count: (outcome: string) => void outcomes.push(outcome) },
    deliver: async (word) => {
      said.push({ at: clock.now(), word });
      return script.edge(word);
    },
  });
  const serve = (...versions: number[]) => {
    repository.models = versions.map(model);
  };
  const times = () => said.map(({ at }) => at);
  const withModels = () => said.map(({ word }) => word.models !== undefined);
  return { clock, said, lines, outcomes, script, announcer, node, serve, times, withModels };
}

describe("the announcer", () => {
  test("speaks at once and then as often as the edge asks for; the first word alone brings the models", async () => {
    const { announcer, clock, times, withModels, said, outcomes } = bench();
    announcer.start();
    await clock.advance(1_000);
    assert.deepEqual(times(), [0, 400, 800]);
    assert.deepEqual(withModels(), [true, false, false]);
    assert.deepEqual(outcomes, ["answered", "answered", "answered"]);
    assert.ok(said.every(({ word }) => !word.leaving && word.status.ready));
  });

  test("follows a new interval from the answer that brings it", async () => {
    const { announcer, clock, script, times } = bench();
    script.edge = () => answered({ everyMs: times().length === 2 ? 1_000 : 300 });
    announcer.start();
    await clock.advance(1_700);
    assert.deepEqual(times(), [0, 300, 1_300, 1_600]);
  });

  test("brings the models in the word after one whose answer asks for them, in no other", async () => {
    const { announcer, clock, script, times, withModels } = bench();
    script.edge = () => answered({ modelsWanted: times().length === 2 });
    announcer.start();
    await clock.advance(4 * EVERY_MS);
    assert.deepEqual(withModels(), [true, false, true, false, false]);
    assert.deepEqual(times(), [0, 400, 800, 1_200, 1_600]);
  });

  test("a change of the models is told within 100 ms, with them", async () => {
    const { announcer, clock, serve, times, withModels } = bench();
    announcer.start();
    await clock.advance(110);
    serve(1, 2);
    await clock.advance(95);
    assert.deepEqual(
      [times(), withModels()],
      [
        [0, 200],
        [true, true],
      ],
    );
    await clock.advance(EVERY_MS);
    assert.deepEqual(
      [times(), withModels()],
      [
        [0, 200, 600],
        [true, true, false],
      ],
    );
  });

  test("a change while a word is under way is told right after, not beside it", async () => {
    const { announcer, clock, script, serve, times } = bench();
    const slow = Promise.withResolvers<Delivery>();
    script.edge = () => slow.promise;
    announcer.start();
    await clock.advance(50);
    serve(2);
    await clock.advance(1_000);
    assert.deepEqual(times(), [0]);
    script.edge = () => answered();
    slow.resolve(answered());
    await clock.advance(0);
    assert.deepEqual(times(), [0, 1_050]);
  });

  test("models are told again when the word that brought them was not answered", async () => {
    const { announcer, clock, script, withModels } = bench();
    script.edge = () => (withModels().length <= 2 ? failed("timeout") : answered());
    announcer.start();
    await clock.advance(2_000);
    assert.deepEqual(withModels().slice(0, 4), [true, true, true, false]);
  });

  test("backs off while words fail, from the last interval asked for, and returns to it when one is answered", async () => {
    const { announcer, clock, script, times } = bench(0.5);
    script.edge = () => (times().length > 1 && times().length < 8 ? failed() : answered());
    announcer.start();
    await clock.advance(14_000);
    const pauses = times().map((at, index) => at - (times()[index - 1] ?? 0));
    // Half of 400, 800, 1600, 3200, 5000, 5000.
    assert.deepEqual(pauses.slice(0, 10), [0, 400, 200, 400, 800, 1_600, 2_500, 2_500, 400, 400]);
  });

  test("a change does not undo the back-off: it is told once", async () => {
    const { announcer, clock, script, serve, times } = bench(0.999);
    script.edge = () => failed();
    announcer.start();
    await clock.advance(5_000);
    const before = times().length;
    serve(1, 2);
    await clock.advance(1_000);
    assert.equal(times().length, before + 1);
  });

  test("that words fail is logged when it begins and when it ends, each way of failing once", async () => {
    const { announcer, clock, script, lines, times, outcomes } = bench();
    const course = [
      failed(),
      failed(),
      failed("refused"),
      failed(),
      failed("refused"),
      answered(),
      answered(),
      failed(),
    ];
    script.edge = () => course[times().length - 1] ?? answered();
    announcer.start();
    await clock.advance(20_000);
    assert.deepEqual(lines, [
      { message: "announcements fail", fields: { outcome: "unreachable", reason: "it is unreachable" } },
      { message: "announcements fail", fields: { outcome: "refused", reason: "it is refused" } },
      { message: "announcements are answered again", fields: { failures: 5 } },
      { message: "announcements fail", fields: { outcome: "unreachable", reason: "it is unreachable" } },
      { message: "announcements are answered again", fields: { failures: 1 } },
    ]);
    assert.deepEqual(
      outcomes.slice(0, course.length),
      course.map(({ kind }) => kind),
    );
  });
});

describe("leaving", () => {
  test("is said at once, not ready, and is the last word", async () => {
    const { announcer, clock, serve, said } = bench();
    announcer.start();
    await clock.advance(50);
    await announcer.leave(500);
    serve();
    await clock.advance(10_000);
    const kinds = said.map(({ at, word }) => `${at} leaving ${word.leaving} ready ${word.status.ready}`);
    assert.deepEqual(kinds, ["0 leaving false ready true", "50 leaving true ready false"]);
  });

  test("comes after the word that is under way", async () => {
    const { announcer, clock, script, said } = bench();
    const slow = Promise.withResolvers<Delivery>();
    script.edge = () => slow.promise;
    announcer.start();
    const left = announcer.leave(500);
    await clock.advance(100);
    assert.equal(said.length, 1);
    script.edge = () => answered();
    slow.resolve(answered());
    await left;
    await clock.advance(10_000);
    const kinds = said.map(({ at, word }) => `${at} leaving ${word.leaving}`);
    assert.deepEqual(kinds, ["0 leaving false", "100 leaving true"]);
  });

  test("is waited for until it is answered, and no longer than it may take", async () => {
    for (const [answerMs, waitedMs] of [
      [200, 200],
      [2_000, 500],
    ] as const) {
      const { announcer, clock, script } = bench();
      announcer.start();
      await clock.advance(0);
      script.edge = () => new Promise((resolve) => clock.schedule(answerMs, () => resolve(answered())));
      let over: number | undefined;
      void announcer.leave(500).then(() => {
        over = clock.now();
      });
      await clock.advance(3_000);
      assert.equal(over, waitedMs);
    }
  });

  test("is said once though it fails", async () => {
    const { announcer, clock, script, said } = bench();
    announcer.start();
    await clock.advance(0);
    script.edge = () => failed();
    await announcer.leave(500);
    await clock.advance(10_000);
    assert.equal(said.length, 2);
  });
});

describe("the announcer and the directory", () => {
  const step = fc.record({
    pauseMs: fc.integer({ min: 0, max: 900 }),
    versions: fc.option(fc.uniqueArray(fc.integer({ min: 1, max: 3 })), { nil: undefined }),
    network: fc.constantFrom("well", "words are lost", "answers are lost"),
    latencyMs: fc.integer({ min: 0, max: 300 }),
    forgets: fc.boolean(),
  });

  test("whatever is lost or forgotten, never two words at once, and in the end the directory has what is served", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 12 }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        async (steps, random) => {
          const { announcer, clock, script, node, serve } = bench(random);
          let directory = new NodeDirectory();
          let [network, latencyMs, underWay, most] = ["well", 0, 0, 0];
          const later = () => new Promise<void>((resolve) => clock.schedule(latencyMs, resolve));
          script.edge = async (word) => {
            most = Math.max(most, ++underWay);
            const lost = network;
            await later();
            underWay--;
            if (lost === "words are lost") return failed("timeout");
            const { answer } = directory.hear(word, clock.now());
            return lost === "well" ? { kind: "answered", answer } : failed("timeout");
          };
          announcer.start();
          for (const { pauseMs, versions, forgets, ...state } of steps) {
            ({ network, latencyMs } = state);
            if (versions) serve(...versions);
            if (forgets) directory = new NodeDirectory();
            await clock.advance(pauseMs);
          }
          network = "well";
          // The longest back-off, a word that asks for models, the word that brings them.
          await clock.advance(5_000 + 2 * 550 + 4 * 300);
          const known = directory.nodes.get("a");
          assert.equal(known?.live, true);
          assert.equal(known?.catalogue, node.catalogue);
          assert.deepEqual(known?.models, node.describe(false).models);
          await Promise.all([announcer.leave(500), clock.advance(600)]);
          assert.equal(directory.nodes.get("a")?.left, true);
          assert.equal(most, 1);
        },
      ),
      { numRuns: 60 },
    );
  });
});
