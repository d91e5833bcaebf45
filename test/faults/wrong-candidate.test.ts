/** A candidate whose node answers what its model does not owe: its answers reach nobody, and the rollout takes them for failures. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../support/until.ts";
import { FaultStand } from "./pieces/fault-stand.ts";
import { type FakeModel, IDENTITY_MODELS, identityModel } from "./pieces/identity-models.ts";

const [MODEL] = IDENTITY_MODELS;
/** No shadow, whose comparison would find it out as well. */
const PLAN = { steps: [50, 100], stepSeconds: 3, stepRequests: 20, shadowShare: 0, guards: { agreement: null } };

describe("a candidate that answers something else", () => {
  let stand: FaultStand;
  before(async () => {
    assert.ok(MODEL);
    const version = (number: string): FakeModel => {
      const model = identityModel(MODEL, number.repeat(64));
      return { ...model, identity: { ...model.identity, version: number, deterministic: false } };
    };
    stand = await FaultStand.start();
    await stand.fakeNode("first", { models: [version("1")] });
    const { node } = await stand.fakeNode("second", { models: [version("2")] });
    node.script = () => ({ kind: "outputs", outputs: () => [] });
  });
  after(() => stand.stop());

  test("is aborted for its errors", async () => {
    const name = MODEL?.name ?? "";
    const split = { versions: [{ version: "1", weight: 1 }] };
    await stand.client.putRoute(name, [{ contract: 1, split }], { model: name });
    const rollout = await stand.client.startRollout(name, "2", PLAN);
    assert.equal(rollout.state, "running");
    const clients = stand.traffic({ perSecond: 30, deadlineMs: 2_000, models: MODEL ? [MODEL] : [] });
    const ended = await until(
      "the rollout to end",
      async () => {
        await delay(100);
        const now = await stand.client.rollout(name);
        return now.state !== "running" && now;
      },
      60_000,
    );
    assert.deepEqual([ended.state, ended.decisions[0]?.reason], ["aborted", "errorRatio"]);
    const told = new Set((await clients.stop()).map(({ outcome }) => outcome.kind === "answered" && outcome.status));
    assert.ok(
      [...told].every((status) => [200, 502, 503].includes(Number(status))),
      [...told].join(),
    );
    assert.deepEqual(await stand.broken(), []);
  });
});
