import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { DIGEST, DIGITS, SCRIPTED, typedTo } from "./scripted-pool.ts";

describe("models inspect and diff of what a pool serves", () => {
  test("inspect has signature, digest and what became of requests", async (context) => {
    const { code, printed } = await typedTo(context, "inspect digits", SCRIPTED);
    assert.equal(code, 0);
    assert.match(printed, new RegExp(`^digest +${DIGEST}$`, "m"));
    assert.match(printed, /^instances +2$/m);
    assert.match(printed, /^max batch +64$/m);
    assert.match(printed, /^answered +4$/m);
    assert.match(printed, /^rows a run +2$/m);
    assert.match(printed, /^mean wait +1 ms$/m);
    assert.match(printed, /^mean run +0\.5 ms$/m);
    assert.match(printed, /^input +pixels +FP32 +\[-1,64\]$/m);
  });

  test("inspect has the steps of an ensemble, and no instances of its own", async (context) => {
    const step = [{ model_name: "embed", model_version: 3, digest: DIGEST }];
    const { printed } = await typedTo(context, "inspect digits", {
      ...SCRIPTED,
      "GET /v2/models/digits/versions/2/config": {
        body: {
          ...{ platform: "warmgate_ensemble", max_batch_size: 8, instance_group: [], ensemble_scheduling: { step } },
          parameters: { digest: { string_value: DIGEST }, provider: { string_value: "cpu" } },
        },
      },
    });
    assert.match(printed, /^platform +warmgate_ensemble$/m);
    assert.match(printed, /^embed +3 +0123456789abcdef$/m);
    assert.doesNotMatch(printed, /^instances/m);
  });

  test("a version that is named is the one that is asked for", async (context) => {
    const { asked } = await typedTo(context, "inspect digits@2", SCRIPTED);
    assert.equal(asked[0]?.url, "/v2/models/digits/versions/2");
  });

  test("an unknown name is answered with the nearest that there is", async (context) => {
    const body = { error: "Request for unknown model", code: "model_not_found" };
    const { code, noted } = await typedTo(context, "inspect digit", {
      ...SCRIPTED,
      "GET /v2/models/digit": { status: 404, body },
    });
    assert.equal(code, 1);
    assert.match(noted, /Did you mean 'digits'\?/);
  });

  test("diff has an exit code of its own for what breaks callers", async (context) => {
    const wider = {
      name: "digits",
      versions: ["2"],
      inputs: [{ name: "pixels", datatype: "FP32", shape: [-1, -1] }],
      outputs: [{ name: "label", datatype: "INT64", shape: [-1] }],
    };
    const answers = { ...SCRIPTED, "GET /v2/models/wider": { body: wider } };
    const forth = await typedTo(context, "diff digits wider --json", answers);
    assert.equal(forth.code, 0);
    const { compatible, differences } = JSON.parse(forth.printed);
    assert.equal(compatible, true);
    assert.deepEqual(differences, [
      {
        ...{ kind: "dimension_changed", side: "input", tensor: "pixels", breaking: false },
        from: { datatype: "FP32", shape: [-1, 64] },
        to: { datatype: "FP32", shape: [-1, -1] },
      },
    ]);
    const back = await typedTo(context, "diff wider digits", answers);
    assert.equal(back.code, 4);
    assert.match(back.printed, /^input pixels +dimension changed +FP32\[-1,-1\] +FP32\[-1,64\] +breaking$/m);
  });

  test("diff takes a contract from a file, and says what is wrong with one that is none", async (context) => {
    const folder = mkdtempSync(join(tmpdir(), "warmgate-contract-"));
    context.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "contract.json");
    const line = `diff ${file} digits`;
    writeFileSync(file, JSON.stringify(DIGITS));
    assert.equal((await typedTo(context, line, SCRIPTED)).code, 0);
    writeFileSync(file, JSON.stringify({ ...DIGITS, outputs: [] }));
    const grown = await typedTo(context, line, SCRIPTED);
    assert.equal(grown.code, 0);
    assert.match(grown.printed, /^output label +added +- +INT64\[-1\] +additive$/m);
    writeFileSync(file, JSON.stringify({ inputs: [] }));
    await assert.rejects(typedTo(context, line, SCRIPTED), /contract\.json is no signature: outputs: /);
    rmSync(file);
    await assert.rejects(typedTo(context, line, SCRIPTED), /contract\.json cannot be read as JSON/);
  });
});
