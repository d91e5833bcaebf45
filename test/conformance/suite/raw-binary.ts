/** Raw binary requests: Inference-Header-Content-Length 0, and the whole body is the model's only input. */
import { errorText } from "./documents.ts";
import type { Reply } from "./http-exchange.ts";
import { identityOf } from "./identity-model.ts";
import { decode } from "./inference.ts";
import { expect, expectSame, NotApplicable, type Rule, SPEC } from "./rule.ts";
import { inferPath } from "./simple-model.ts";
import type { Target } from "./target.ts";

function sendRaw(target: Target, model: string, body: Buffer, chunks?: number): Promise<Reply> {
  const headers = { "inference-header-content-length": "0", "content-type": "application/octet-stream" };
  const path = inferPath(model);
  return target.send({ method: "POST", path, headers, body, ...(chunks === undefined ? {} : { chunks }) });
}

function floats(count: number): Buffer {
  const bytes = Buffer.alloc(count * 4);
  for (let index = 0; index < count; index += 1) bytes.writeFloatLE(Math.fround(Math.random() * 100), index * 4);
  return bytes;
}

async function comesBack(target: Target, count: number, chunks?: number): Promise<void> {
  const { model, output } = await identityOf(target, "FP32");
  const body = floats(count);
  const reply = decode(await sendRaw(target, model, body, chunks)).outputs.get(output.name);
  expect(reply?.bytes !== undefined, `${output.name} is not there in binary form`);
  expectSame(reply.shape, [1, count], "shape (one batch row; the free dimension from the length)");
  expect(reply.bytes.equals(body), "other bytes came back");
}

type Draft = Omit<Rule, "level" | "extension" | "source"> & { readonly source?: string };

const drafts: readonly Draft[] = [
  {
    id: "raw-binary/row",
    says: "8 raw FP32 values are one row of 8, answered in binary form",
    source: `${SPEC.binary}, Raw Binary Request; ${SPEC.tritonQa} test_raw_binary`,
    check: (target) => comesBack(target, 8),
  },
  {
    id: "raw-binary/longer-row",
    says: "the free dimension is computed from the body's length",
    source: `${SPEC.tritonQa} test_raw_binary_longer`,
    check: (target) => comesBack(target, 32),
  },
  {
    id: "raw-binary/chunked",
    says: "a raw body in chunks is read",
    source: `${SPEC.tritonQa} test_content_encoding_chunked_manually`,
    check: (target) => comesBack(target, 8, 3),
  },
  {
    id: "raw-binary/two-inputs",
    says: "a model with two inputs refuses a raw body",
    source: `${SPEC.tritonQa} test_multi_inputs`,
    check: async (target) => {
      await target.require(target.options.simple);
      errorText(await sendRaw(target, target.options.simple, Buffer.alloc(128)));
    },
  },
  {
    id: "raw-binary/bytes-of-many-elements",
    says: "a BYTES input that is not of shape [1] refuses a raw body",
    source: `${SPEC.tritonQa} test_byte_too_many_elements`,
    check: async (target) => {
      const { model, input } = await identityOf(target, "BYTES");
      if (input.shape.length < 2) throw new NotApplicable(`${model} may be of shape [1]`);
      errorText(await sendRaw(target, model, Buffer.from("427")));
    },
  },
  {
    id: "raw-binary/cut-element",
    says: "a body that is no whole number of elements is refused",
    check: async (target) => {
      const { model } = await identityOf(target, "FP32");
      errorText(await sendRaw(target, model, Buffer.alloc(30)));
    },
  },
];

export const rawBinaryRules: readonly Rule[] = drafts.map((draft) => ({
  source: `${SPEC.binary}, Raw Binary Request`,
  ...draft,
  level: "EXTENSION",
  extension: "binary_tensor_data",
}));
