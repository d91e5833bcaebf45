/** Inference with binary tensor data. Refusals of broken binary bodies are in `binary-errors.ts`. */
import { bytesTensor, decode, encode, type Inference } from "./inference.ts";
import { expect, expectSame, type Rule, SPEC } from "./rule.ts";
import { expectAnswer, infer, inferPath, inferSimple, simpleCall, simpleStringCall } from "./simple-model.ts";
import type { Target } from "./target.ts";

/** Names of the outputs that came in binary form. */
function binaryOutputs({ outputs }: Inference): string[] {
  return [...outputs.values()].filter((output) => output.bytes !== undefined).map((output) => output.name);
}

/** Asks `simple` with the given outputs and parameters, checks the numbers and gives the names of binary outputs. */
async function formsOf(target: Target, outputs: unknown, parameters: unknown): Promise<string[]> {
  const call = simpleCall(2, ["binary", "flat"]);
  const shape = { ...(outputs === undefined ? {} : { outputs }), ...(parameters === undefined ? {} : { parameters }) };
  const reply = await inferSimple(target, { inputs: call.inputs, ...shape });
  return binaryOutputs(expectAnswer(reply, call));
}

/** The wanted form of one output of `simple`. */
const output = (name: string, binary?: boolean): unknown =>
  binary === undefined ? { name } : { name, parameters: { binary_data: binary } };

async function binaryCallWith(target: Target, header: string, contentType?: string): Promise<void> {
  await target.require(target.options.simple);
  const call = simpleCall(1, ["binary", "binary"]);
  const { body, jsonLength } = encode({ inputs: call.inputs });
  const headers = {
    [header]: String(jsonLength),
    ...(contentType === undefined ? {} : { "content-type": contentType }),
  };
  expectAnswer(await target.send({ method: "POST", path: inferPath(target.options.simple), headers, body }), call);
}

type Draft = Omit<Rule, "level" | "source" | "extension">;

const drafts: readonly Draft[] = [
  {
    id: "infer-binary/inputs",
    says: "both inputs in binary form are computed",
    check: async (target) => {
      const call = simpleCall(2, ["binary", "binary"]);
      expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
    },
  },
  {
    id: "infer-binary/mixed",
    says: "one input in JSON, the other binary: JSON inputs have no part in the blobs",
    check: async (target) => {
      const call = simpleCall(3, ["nested", "binary"]);
      expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
    },
  },
  {
    id: "infer-binary/input-order",
    says: "blobs are taken in the order of the inputs in the JSON",
    check: async (target) => {
      const call = simpleCall(1, ["binary", "binary"]);
      expectAnswer(await inferSimple(target, { inputs: call.inputs.toReversed() }), call);
    },
  },
  {
    id: "infer-binary/default-json",
    says: "without binary_data and binary_data_output the outputs are JSON",
    check: async (target) => expectSame(await formsOf(target, undefined, undefined), [], "binary outputs"),
  },
  {
    id: "infer-binary/one-output",
    says: "binary_data true makes that output binary and leaves the other in JSON",
    check: async (target) => {
      const forms = await formsOf(target, [output("OUTPUT0"), output("OUTPUT1", true)], undefined);
      expectSame(forms, ["OUTPUT1"], "binary outputs");
    },
  },
  {
    id: "infer-binary/all-outputs",
    says: "binary_data_output true makes every output binary",
    check: async (target) => {
      const forms = await formsOf(target, undefined, { binary_data_output: true });
      expectSame(forms.toSorted(), ["OUTPUT0", "OUTPUT1"], "binary outputs");
    },
  },
  {
    id: "infer-binary/override",
    says: "binary_data false on an output overrides binary_data_output true",
    check: async (target) => {
      const outputs = [output("OUTPUT0", true), output("OUTPUT1", false)];
      expectSame(await formsOf(target, outputs, { binary_data_output: true }), ["OUTPUT0"], "binary outputs");
    },
  },
  {
    id: "infer-binary/override-false",
    says: "binary_data true on an output overrides binary_data_output false",
    check: async (target) => {
      const outputs = [output("OUTPUT0", true), output("OUTPUT1")];
      expectSame(await formsOf(target, outputs, { binary_data_output: false }), ["OUTPUT0"], "binary outputs");
    },
  },
  {
    id: "infer-binary/requested-from-json",
    says: "binary outputs can be asked for by a request that is all JSON",
    check: async (target) => {
      const call = simpleCall();
      const parameters = { binary_data_output: true };
      const inference = expectAnswer(await inferSimple(target, { inputs: call.inputs, parameters }), call);
      expectSame(binaryOutputs(inference).length, 2, "number of binary outputs");
    },
  },
  {
    id: "infer-binary/response-lengths",
    says: "the reply's two lengths: Inference-Header-Content-Length is the JSON, Content-Length the whole body",
    check: async (target) => {
      const call = simpleCall(1, ["binary", "binary"]);
      const reply = await inferSimple(target, { inputs: call.inputs, parameters: { binary_data_output: true } });
      const inference = expectAnswer(reply, call);
      expectSame(inference.jsonLength, reply.body.length - 2 * 16 * 4, "Inference-Header-Content-Length");
      const length = reply.headers["content-length"];
      if (length !== undefined) expectSame(Number(length), reply.body.length, "Content-Length");
    },
  },
  {
    id: "infer-binary/id",
    says: "a binary reply carries model_name and the id",
    check: async (target) => {
      const call = simpleCall(1, ["binary", "binary"]);
      const parameters = { binary_data_output: true };
      const reply = await inferSimple(target, { id: "b-1", inputs: call.inputs, parameters });
      const { document } = expectAnswer(reply, call);
      expectSame([document.model_name, document.id], [target.options.simple, "b-1"], "[model_name, id]");
    },
  },
  {
    id: "infer-binary/header-case",
    says: "the header's name is not case-sensitive",
    check: (target) => binaryCallWith(target, "INFERENCE-HEADER-CONTENT-LENGTH", "application/octet-stream"),
  },
  {
    id: "infer-binary/content-type",
    says: "the header decides, whatever Content-Type says: none",
    check: (target) => binaryCallWith(target, "Inference-Header-Content-Length"),
  },
  {
    id: "infer-binary/content-type-json",
    says: "the header decides, whatever Content-Type says: application/json",
    check: (target) => binaryCallWith(target, "Inference-Header-Content-Length", "application/json"),
  },
  {
    id: "infer-binary/chunked",
    says: "a binary body in chunks is read",
    check: async (target) => {
      await target.require(target.options.simple);
      const call = simpleCall(2, ["binary", "binary"]);
      const { headers, body } = encode({ inputs: call.inputs });
      const path = inferPath(target.options.simple);
      expectAnswer(await target.send({ method: "POST", path, headers, body, chunks: 7 }), call);
    },
  },
  {
    id: "infer-binary/header-for-json",
    says: "the header on a request without binary data, equal to the body's length, is accepted",
    check: async (target) => {
      await target.require(target.options.simple);
      const call = simpleCall();
      const { body, jsonLength } = encode({ inputs: call.inputs });
      const headers = { "inference-header-content-length": String(jsonLength) };
      const path = inferPath(target.options.simple);
      expectAnswer(await target.send({ method: "POST", path, headers, body }), call);
    },
  },
  {
    id: "infer-binary/json-length-in-bytes",
    says: "the header counts bytes, not characters, of UTF-8",
    check: async (target) => {
      const call = simpleCall(1, ["binary", "binary"]);
      const parameters = { binary_data_output: true };
      const reply = await inferSimple(target, { id: "größe-界-🙂", inputs: call.inputs, parameters });
      expectSame(expectAnswer(reply, call).document.id, "größe-界-🙂", "`id`");
    },
  },
  {
    id: "infer-binary/strings",
    says: "BYTES: each element is a 4-byte little-endian length and its bytes",
    check: async (target) => {
      await target.require(target.options.simpleString);
      const call = simpleStringCall("binary");
      const parameters = { binary_data_output: true };
      const { outputs } = decode(await infer(target, target.options.simpleString, { inputs: call.inputs, parameters }));
      const sums = outputs.get("OUTPUT0")?.bytes;
      expect(sums !== undefined, "OUTPUT0 is not binary");
      expectSame(sums.toString("hex"), bytesTensor(call.sum.map(String)).toString("hex"), "OUTPUT0");
    },
  },
];

export const inferBinaryRules: readonly Rule[] = [
  ...drafts.map((draft) => ({
    ...draft,
    level: "EXTENSION" as const,
    source: SPEC.binary,
    extension: "binary_tensor_data",
  })),
  {
    id: "infer-binary/listed-without-binary-data",
    level: "EXTENSION",
    says: "an output listed without binary_data follows binary_data_output true",
    source: `${SPEC.binary}: unless overridden by binary_data on a specific output. Triton and KServe answer JSON`,
    extension: "binary_tensor_data",
    profile: "warmgate",
    check: async (target) => {
      const listed = [output("OUTPUT0"), output("OUTPUT1")];
      const forms = await formsOf(target, listed, { binary_data_output: true });
      expectSame(forms.toSorted(), ["OUTPUT0", "OUTPUT1"], "binary outputs");
    },
  },
];
