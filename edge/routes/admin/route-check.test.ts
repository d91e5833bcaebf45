import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ModelRoute } from "../../../shared/protocol/model-route.ts";
import type { ModelSignature } from "../../../shared/protocol/tensor.ts";
import { knownNode, nodeModel, SIGNATURE } from "../../../test/support/known-nodes.ts";
import { PoolView } from "../../pool/pool-view.ts";
import { checkContracts, checkVersion, type SentContract, sentContractSchema } from "./route-check.ts";

const wider: ModelSignature = {
  ...SIGNATURE,
  outputs: [...SIGNATURE.outputs, { name: "extra", datatype: "FP32", shape: [-1] }],
};
const other: ModelSignature = { ...SIGNATURE, inputs: [{ name: "x", datatype: "FP32", shape: [-1, 8] }] };
const view = new PoolView(
  [knownNode("a", [nodeModel("m", "1"), nodeModel("m", "2", "b", wider), nodeModel("m", "3", "c", other)])],
  0,
);
const sent = (weights: Record<string, number>, more: object = {}): SentContract =>
  sentContractSchema.parse({
    contract: 1,
    split: { versions: Object.entries(weights).map(([version, weight]) => ({ version, weight })) },
    ...more,
  });
const check = (contracts: readonly SentContract[], before?: ModelRoute) => checkContracts("m", contracts, before, view);

describe("a route held against the pool", () => {
  test("takes its signature from the version with the most weight, and one with a further output beside it", () => {
    const { contracts, problems } = check([sent({ 1: 90, 2: 10 })]);
    assert.deepEqual(problems, []);
    assert.deepEqual(contracts[0]?.signature, SIGNATURE);
  });

  test("is refused for a version that would break it, with the difference", () => {
    assert.deepEqual(check([sent({ 1: 90, 3: 10 })]).problems, [
      "contract 1: version 3 does not keep it: input 'x': FP32[-1,4] becomes FP32[-1,8]: breaking",
    ]);
    assert.match(check([sent({ 2: 90, 1: 10 })]).problems.join(), /output 'extra': FP32\[-1\] is gone: breaking/);
  });

  test("is refused for versions that nobody has, wherever they are named, all at once", () => {
    const more = { rules: [{ when: { tenants: ["t"] }, version: "8" }], shadow: { version: "9", share: 1 } };
    const { problems } = check([sent({ 1: 1 }, more), sent({ 7: 1 }, { contract: 2 })]);
    assert.deepEqual(
      problems.map((problem) => problem.match(/^contract \d: no node has version \d/)?.[0]),
      ["contract 1: no node has version 8", "contract 1: no node has version 9", "contract 2: no node has version 7"],
    );
    assert.match(problems[0] ?? "", /there are 1, 2, 3$/);
  });

  test("tells of a version that is not set whether it would be taken, with each difference", () => {
    const { contracts } = check([sent({ 1: 1 }), sent({ 3: 1 }, { contract: 2 })]);
    const route = { name: "r", model: "m", contracts };
    const about = { route: "r", model: "m" };
    assert.deepEqual(checkVersion(route, undefined, "1", view), {
      ...{ ...about, contract: 1, version: "1", compatible: true, differences: [] },
    });
    const { compatible, differences } = checkVersion(route, 1, "2", view);
    assert.deepEqual([compatible, differences.map(({ kind }) => kind)], [true, ["output_added"]]);
    const from = { datatype: "FP32", shape: [-1, 4] };
    assert.deepEqual(checkVersion(route, 1, "3", view).differences, [
      { kind: "dimension_changed", side: "input", tensor: "x", from, to: { ...from, shape: [-1, 8] }, breaking: true },
    ]);
    assert.equal(checkVersion(route, 2, "3", view).compatible, true);
    assert.throws(() => checkVersion(route, 3, "1", view), {
      ...{ code: "contract_not_found", message: "route 'r' has the contracts 1, 2 only" },
    });
    assert.throws(() => checkVersion(route, 1, "9", view), {
      ...{ code: "version_not_found", message: "no node has version 9 of m; there are 1, 2, 3" },
    });
  });

  test("a contract may grow, and never shrink under its callers", () => {
    const { contracts } = check([sent({ 1: 1 })]);
    const before = { name: "m", model: "m", contracts, cache: {}, rollout: null } as unknown as ModelRoute;
    assert.deepEqual(check([sent({ 2: 1 }, { signature: { from: "2" } })], before).problems, []);
    const breaking = check([sent({ 3: 1 }, { signature: { from: "3" } })], before).problems;
    assert.match(breaking.join(), /callers rely on it as it is: input 'x'.*new contract beside this one/);
    assert.deepEqual(check([sent({ 1: 1 }), sent({ 3: 1 }, { contract: 2 })], before).problems, []);
  });
});
