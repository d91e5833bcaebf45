import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { loopModel } from "../../test/support/loop-model.ts";
import {
  externalFloatTensor,
  FLOAT,
  graphAttribute,
  model,
  node,
  valueInfo,
} from "../../test/support/onnx-protobuf.ts";
import { TEST_MODELS } from "../../test/support/pool.ts";
import { readOnnxFile } from "./onnx-file.ts";
import { MalformedMessage } from "./protobuf-reader.ts";

describe("an ONNX file", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-onnx-file-"));
  const file = join(folder, "model.onnx");
  after(() => rmSync(folder, { recursive: true, force: true }));
  const read = (bytes: Uint8Array) => {
    writeFileSync(file, bytes);
    return readOnnxFile(file);
  };
  const inputs = [valueInfo("input", FLOAT, [1])];
  const outputs = [valueInfo("output", FLOAT, [1])];
  const add = node("Add", ["input", "weights"], ["output"]);
  const external = (location: string) => externalFloatTensor("weights", [1], location);

  test("says its IR version and its opsets by domain", () => {
    const {
      irVersion,
      opsets,
      external: references,
    } = readOnnxFile(join(TEST_MODELS.exporters, "colour_pipeline", "1", "model.onnx"));
    assert.equal(irVersion, 8);
    assert.deepEqual(
      [...opsets],
      [
        ["", 17],
        ["ai.onnx.ml", 1],
      ],
    );
    assert.deepEqual(references, []);
  });

  test("names every file that a tensor of its graph is in", () => {
    const { external: references } = read(model({ nodes: [add], initializers: [external("a.bin")], inputs, outputs }));
    assert.deepEqual(references, [{ tensor: "weights", location: "a.bin" }]);
  });

  test("a tensor in the body of a loop within a loop is found as well", () => {
    const inner = { nodes: [add], initializers: [external("deep.bin")], inputs, outputs };
    const outer = { ...inner, nodes: [node("Loop", [], [], [graphAttribute("body", inner)])], initializers: [] };
    const nodes = [node("Loop", [], [], [graphAttribute("body", outer)])];
    const { external: references } = read(model({ nodes, initializers: [], inputs, outputs }));
    assert.deepEqual(references, [{ tensor: "weights", location: "deep.bin" }]);
  });

  test("graphs in one another beyond what protobuf takes are refused, not followed", () => {
    let graph = { nodes: [add], initializers: [external("deep.bin")], inputs, outputs };
    for (let depth = 0; depth < 60; depth++) {
      graph = { ...graph, nodes: [node("Loop", [], [], [graphAttribute("body", graph)])], initializers: [] };
    }
    assert.throws(() => read(model(graph)), MalformedMessage);
  });

  test("weights larger than what is read at once are skipped: what is behind them is found", () => {
    const large = externalFloatTensor("large", [1], `${"x".repeat(4000)}`);
    const initializers = [...Array.from({ length: 100 }, () => large), external("last.bin")];
    const { external: references, opsets } = read(model({ nodes: [add], initializers, inputs, outputs }));
    assert.equal(references.length, 101);
    assert.equal(references.at(-1)?.location, "last.bin");
    assert.equal(opsets.get(""), 18);
  });

  test("a file that is cut off anywhere but between two fields of the model is refused", () => {
    const whole = loopModel();
    const boundaries = new Set([0, whole.length]);
    let refused = 0;
    for (let length = 0; length < whole.length; length++) {
      try {
        read(whole.subarray(0, length));
        boundaries.add(length);
      } catch (error) {
        assert.ok(error instanceof MalformedMessage, String(error));
        refused++;
      }
    }
    assert.ok(boundaries.size <= 6, `${boundaries.size} lengths were taken`);
    assert.ok(refused > whole.length - 6);
  });

  test("any bytes are read to their end or refused as malformed, and nothing else", () => {
    const genuine = [loopModel(), readFileSync(join(TEST_MODELS.digits, "digits", "1", "model.onnx"))];
    const damaged = fc
      .tuple(fc.constantFrom(...genuine), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }))
      .map(([bytes, changes]) => {
        const copy = new Uint8Array(bytes);
        for (const [at, value] of changes) copy[at % copy.length] = value;
        return copy;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), (bytes) => {
        try {
          read(bytes);
        } catch (error) {
          assert.ok(error instanceof MalformedMessage, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
