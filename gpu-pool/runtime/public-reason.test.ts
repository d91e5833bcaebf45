import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { publicReason } from "./public-reason.ts";

const folderName = fc.stringMatching(/^[A-Za-z0-9_-]{2,12}$/);

test("no folder of a path is left, wherever in a message the path stands", () => {
  const path = fc.tuple(
    fc.constantFrom("/", "../", "./", "C:\\"),
    fc.array(folderName, { minLength: 1, maxLength: 6 }),
  );
  fc.assert(
    fc.property(path, fc.constantFrom(" is bad", ":1 is bad", "'", '" is bad', ""), ([root, names], after) => {
      const separator = root.endsWith("\\") ? "\\" : "/";
      const reason = publicReason(`it failed: ${root}${names.join(separator)}${separator}model.onnx${after}`);
      assert.doesNotMatch(reason, /[\\/]/);
      assert.ok(reason.startsWith("it failed: model.onnx"), reason);
    }),
  );
});

test("a path in quotes may have spaces", () => {
  assert.equal(
    publicReason('allowed directory: "/srv/our models/a b/weights.bin"'),
    'allowed directory: "weights.bin"',
  );
});

test("of a load that fails only the reason is told, whatever the file's path looks like", () => {
  assert.equal(
    publicReason("Load model from /srv/our models/x.onnx failed:Protobuf parsing failed."),
    "Protobuf parsing failed.",
  );
});

test("of a run that fails only the status message is told", () => {
  const message =
    "Non-zero status code returned while running Gather node. Name:'' Status Message: idx=99 out of bounds\nmore";
  assert.equal(publicReason(message), "idx=99 out of bounds");
});

test("the runtime's own source positions are left out", () => {
  const full =
    "/onnxruntime_src/onnxruntime/core/graph/model.cc:187 onnxruntime::Model::Model(onnx::ModelProto&&, int) ModelProto does not have a graph.\n";
  assert.equal(publicReason(full), "ModelProto does not have a graph.");
  assert.equal(
    publicReason("Error: tensorprotoutils.cc:434 ValidateExternalDataPathFromDir Absolute path not allowed"),
    "Error: Absolute path not allowed",
  );
});

test("a slash between words is no path", () => {
  assert.equal(publicReason("Relu(-1) is not a registered function/op"), "Relu(-1) is not a registered function/op");
});

test("however long and odd the message, it is answered at once and kept short", () => {
  for (const piece of ["/", "/a", "a.cc:1 ", '"/', "\\", "Load model from "]) {
    const startedAt = performance.now();
    assert.ok(publicReason(piece.repeat(200_000)).length <= 501);
    assert.ok(performance.now() - startedAt < 1_000, piece);
  }
});

test("nothing of the machine is left of a CUDA error", () => {
  const message =
    "CUDA failure 1: invalid argument ; GPU=0 ; hostname=node-7 ; file=/a/b.cc ; line=97 ; expr=cudaMemcpy();";
  assert.equal(publicReason(message), "CUDA failure 1: invalid argument");
});
