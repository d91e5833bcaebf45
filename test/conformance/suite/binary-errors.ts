/** Binary bodies that do not fit together must be refused, and must not harm the server. */
import { errorText } from "./documents.ts";
import { bytesTensor, encode } from "./inference.ts";
import { expect, type Rule, SPEC } from "./rule.ts";
import { expectAnswer, infer, inferPath, inferSimple, simpleCall, simpleStringCall } from "./simple-model.ts";
import type { Target } from "./target.ts";

interface Broken {
  readonly id: string;
  readonly says: string;
  readonly source?: string;
  /** The model that is asked. */
  readonly model?: "simpleString";
  /** The request's headers and body. */
  readonly request: () => { headers: Readonly<Record<string, string>>; body: Buffer };
}

const LENGTH = "inference-header-content-length";

/** A good binary request to `simple`, to be broken. */
function good(): ReturnType<typeof encode> {
  return encode({ inputs: simpleCall(1, ["binary", "binary"]).inputs });
}

/** A good binary request whose JSON is changed; the header follows the change. */
function withJson(change: (json: string) => string): { headers: Record<string, string>; body: Buffer } {
  const { body, jsonLength } = good();
  const json = Buffer.from(change(body.toString("utf8", 0, jsonLength)));
  return { headers: { [LENGTH]: String(json.length) }, body: Buffer.concat([json, body.subarray(jsonLength)]) };
}

function withHeader(value: string): { headers: Record<string, string>; body: Buffer } {
  return { headers: { [LENGTH]: value }, body: good().body };
}

/** A binary request to `simple_string` whose first tensor's bytes are changed. */
function withBytes(change: (bytes: Buffer) => Buffer): ReturnType<typeof encode> {
  const [first, second] = simpleStringCall("binary").inputs;
  return encode({ inputs: [{ ...first, bytes: change(first.bytes ?? Buffer.alloc(0)) }, second] });
}

const broken: readonly Broken[] = [
  {
    id: "short-body",
    says: "a body that ends before the last blob",
    request: () => ({ headers: good().headers, body: good().body.subarray(0, -8) }),
  },
  {
    id: "trailing-bytes",
    says: "bytes after the last blob",
    source: `${SPEC.triton}: unexpected additional input data`,
    request: () => ({ headers: good().headers, body: Buffer.concat([good().body, Buffer.alloc(4)]) }),
  },
  {
    id: "size-against-shape",
    says: "a binary_data_size that the shape and datatype do not have",
    request: () => withJson((json) => json.replace("[1,16]", "[1,15]")),
  },
  {
    id: "size-negative",
    says: "a negative binary_data_size",
    request: () => withJson((json) => json.replace('"binary_data_size":64', '"binary_data_size":-64')),
  },
  {
    id: "size-not-a-number",
    says: "a binary_data_size that is a string",
    request: () => withJson((json) => json.replace('"binary_data_size":64', '"binary_data_size":"64"')),
  },
  {
    id: "size-fractional",
    says: "a fractional binary_data_size",
    request: () => withJson((json) => json.replace('"binary_data_size":64', '"binary_data_size":63.5')),
  },
  {
    id: "data-and-size",
    says: "an input with both data and binary_data_size",
    request: () => withJson((json) => json.replace('"datatype"', `"data":[${"1,".repeat(15)}1],"datatype"`)),
  },
  { id: "header-not-a-number", says: "a header that is not a number", request: () => withHeader("many") },
  { id: "header-negative", says: "a negative header", request: () => withHeader("-1") },
  { id: "header-fractional", says: "a fractional header", request: () => withHeader("12.5") },
  { id: "header-beyond-body", says: "a header larger than the body", request: () => withHeader("1000000") },
  {
    id: "header-out-of-range",
    says: "a header beyond 32 bits",
    source: `${SPEC.tritonQa} test_inference_header_content_length_out_of_range`,
    request: () => withHeader("99999999999"),
  },
  {
    id: "header-cuts-json",
    says: "a header that cuts the JSON off",
    request: () => withHeader(String(good().jsonLength - 3)),
  },
  {
    id: "bytes-length-beyond",
    says: "a BYTES element whose length goes beyond the tensor",
    model: "simpleString",
    request: () =>
      withBytes((bytes) => {
        const changed = Buffer.from(bytes);
        changed.writeUInt32LE(0xffff_fff0);
        return changed;
      }),
  },
  {
    id: "bytes-cut-length",
    says: "a BYTES tensor that ends inside an element's length",
    model: "simpleString",
    request: () => withBytes((bytes) => Buffer.concat([bytes, Buffer.alloc(2)])),
  },
  {
    id: "bytes-too-few",
    says: "a BYTES tensor with fewer elements than the shape",
    model: "simpleString",
    request: () => withBytes(() => bytesTensor(["1", "2"])),
  },
  {
    id: "bytes-too-many",
    says: "a BYTES tensor with more elements than the shape",
    model: "simpleString",
    request: () => withBytes((bytes) => Buffer.concat([bytes, bytesTensor(["1"])])),
  },
];

async function send(target: Target, { model, request }: Broken): Promise<ReturnType<Target["send"]>> {
  const name = target.options[model ?? "simple"];
  await target.require(name);
  return target.send({ method: "POST", path: inferPath(name), ...request() });
}

export const binaryErrorRules: readonly Rule[] = [
  ...broken.flatMap((one): Rule[] => [
    {
      id: `binary-errors/${one.id}`,
      level: "EXTENSION",
      says: `${one.says}: an error object`,
      source: one.source ?? SPEC.binary,
      extension: "binary_tensor_data",
      check: async (target) => {
        errorText(await send(target, one));
      },
    },
    {
      id: `binary-errors/${one.id}-4xx`,
      level: "SHOULD",
      says: `${one.says}: the caller's fault, 4xx`,
      source: SPEC.triton,
      extension: "binary_tensor_data",
      check: async (target) => {
        const { status } = await send(target, one);
        expect(status >= 400 && status < 500, `expected 4xx, got ${status}`);
      },
    },
  ]),
  {
    id: "binary-errors/bytes-not-utf8",
    level: "EXTENSION",
    says: "bytes that are not UTF-8 come back as they are or are refused, never altered",
    source: `${SPEC.binary}: followed by the actual bytes`,
    extension: "binary_tensor_data",
    check: async (target) => {
      const model = `${target.options.identityPrefix}string`;
      const { inputs, outputs } = await target.require(model);
      const bytes = bytesTensor([Buffer.from([0xff, 0x00, 0xc3, 0x28]), Buffer.from([0x80])]);
      const input = { name: inputs[0]?.name ?? "INPUT0", shape: [1, 2], datatype: "BYTES", bytes };
      const reply = await infer(target, model, { inputs: [input], parameters: { binary_data_output: true } });
      if (reply.status !== 200) {
        errorText(reply);
        return;
      }
      const tail = reply.body.subarray(-bytes.length);
      expect(tail.equals(bytes), `${outputs[0]?.name ?? "the output"} is ${tail.toString("hex")}, not the bytes sent`);
    },
  },
  {
    id: "binary-errors/still-serving",
    level: "EXTENSION",
    says: "after all that the server answers a good request",
    source: SPEC.tritonQa,
    extension: "binary_tensor_data",
    check: async (target) => {
      const call = simpleCall(1, ["binary", "binary"]);
      expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
    },
  },
];
