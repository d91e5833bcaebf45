import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { readModelJson } from "./model-json.ts";

describe("model.json", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-model-json-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const read = (text: string) => {
    const file = join(folder, "model.json");
    writeFileSync(file, text);
    return readModelJson(file);
  };
  const refusal = (text: string): Promise<string> =>
    read(text).then(
      () => "none",
      (error: Error & { code?: string }) => {
        assert.equal(error.code, "model_rejected");
        return error.message;
      },
    );

  test("without the file, or with an empty one, everything is derived", async () => {
    const derived = { description: "", deterministic: false, warmup: [] };
    assert.deepEqual(await readModelJson(undefined), derived);
    assert.deepEqual(await read("{}"), derived);
  });

  test("what is declared is taken", async () => {
    const declared = {
      description: "d",
      deterministic: true,
      maxBatch: 8,
      computeThreads: 2,
      warmup: [{ inputs: [{}] }],
    };
    assert.deepEqual(await read(JSON.stringify(declared)), declared);
  });

  test("all that is wrong is named at once", async () => {
    const message = await refusal(
      '{"maxBatch":-1,"deterministic":"yes","computeThreads":1.5,"max_batch":4,"warmup":[{}]}',
    );
    for (const fault of ["maxBatch", "deterministic", "computeThreads", "max_batch", "warmup.0.inputs"]) {
      assert.ok(message.includes(fault), `${fault} is not named in: ${message}`);
    }
  });

  test("what is no JSON object is refused, without the file's path", async () => {
    for (const text of ["", "{", "[]", "null", "3", "\ufeff{}x"]) {
      const message = await refusal(text);
      assert.match(message, /model\.json/);
      assert.ok(!message.includes(folder));
    }
  });

  test("a file that cannot be read is refused, without its path", async () => {
    await assert.rejects(
      readModelJson(join(folder, "nothing", "model.json")),
      (error: Error) => !error.message.includes(folder),
    );
  });
});
