import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { InferenceSession } from "onnxruntime-node";
import { encodeBytesElements } from "../../shared/protocol/bytes-elements.ts";
import { type Datatype, ELEMENT_BYTES } from "../../shared/protocol/datatype.ts";
import { fromOrtTensor, type TransferableTensor, toOrtTensor } from "./ort-tensor.ts";

const BASIC = fileURLToPath(new URL("../../test/models/basic", import.meta.url));
const NUMERIC = [
  "BOOL",
  "UINT8",
  "UINT16",
  "UINT32",
  "UINT64",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "FP16",
  "FP32",
  "FP64",
] as const;

/** Runs a tensor through the runtime's identity model of its datatype. */
async function throughRuntime(tensor: TransferableTensor): Promise<TransferableTensor> {
  const kind = tensor.datatype === "BYTES" ? "string" : tensor.datatype.toLowerCase();
  const session = await InferenceSession.create(`${BASIC}/identity_${kind}/1/model.onnx`);
  try {
    const { OUTPUT0: output } = await session.run({ INPUT0: toOrtTensor(tensor) });
    return fromOrtTensor(tensor.name, tensor.datatype, output!);
  } finally {
    await session.release();
  }
}

function bytesTensor(datatype: Datatype, shape: readonly number[], bytes: Uint8Array): TransferableTensor {
  return { name: "x", datatype, shape, buffer: bytes.slice().buffer };
}

describe("tensors of the runtime", () => {
  for (const datatype of NUMERIC) {
    test(`${datatype}: the bytes that go into the runtime come out, extremes and NaN payloads included`, async () => {
      const width = ELEMENT_BYTES[datatype];
      const bytes = Uint8Array.from({ length: 6 * width }, (_, at) =>
        datatype === "BOOL" ? at % 2 : [0, 255, 127, 128, 1, 0x5a][Math.floor(at / width)]!,
      );
      const { shape, buffer } = await throughRuntime(bytesTensor(datatype, [2, 3], bytes));
      assert.deepEqual([...new Uint8Array(buffer)], [...bytes]);
      assert.deepEqual(shape, [2, 3]);
    });
  }

  test("text comes out as it went in: empty, accented, emoji, with a byte order mark, composed or not", async () => {
    const texts = ["", "é", "e\u0301", "👩‍🔬", "\ufeffx", "\u{10ffff}"];
    const bytes = encodeBytesElements(texts.map((text) => Buffer.from(text)));
    const { buffer } = await throughRuntime(bytesTensor("BYTES", [2, 3], bytes));
    assert.deepEqual(Buffer.from(buffer), Buffer.from(bytes));
  });

  test("tensors without elements pass", async () => {
    for (const datatype of ["FP32", "BYTES"] as const) {
      const { shape, buffer } = await throughRuntime(bytesTensor(datatype, [0, 3], new Uint8Array(0)));
      assert.deepEqual([shape, buffer.byteLength], [[0, 3], 0]);
    }
  });

  test("what the runtime would alter or lose is refused: bytes that are not UTF-8, and NUL", () => {
    for (const element of [Uint8Array.of(0xff), Uint8Array.of(0xed, 0xa0, 0x80), Buffer.from("a\0b")]) {
      const tensor = bytesTensor("BYTES", [1, 1], encodeBytesElements([element]));
      assert.throws(() => toOrtTensor(tensor), { code: "invalid_data" });
    }
  });

  test("BF16, which the runtime does not have, is refused", () => {
    assert.throws(() => toOrtTensor(bytesTensor("BF16", [1], new Uint8Array(2))), { code: "not_implemented" });
  });

  test("an output of another type than the signature says is refused, not misread", () => {
    const output = toOrtTensor(bytesTensor("FP32", [1], new Uint8Array(4)));
    for (const datatype of ["BYTES", "FP64", "BF16"] as const)
      assert.throws(() => fromOrtTensor("y", datatype, output));
  });
});
