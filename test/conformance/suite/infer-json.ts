/** Inference with tensor data in JSON. */
import { array, object } from "./documents.ts";
import { listedVersion } from "./health.ts";
import { decode, encode } from "./inference.ts";
import { expect, expectSame, type Rule, SPEC } from "./rule.ts";
import { expectAnswer, infer, inferPath, inferSimple, simpleCall, simpleStringCall } from "./simple-model.ts";
import type { Target } from "./target.ts";

/** Requests in flight at once in the rule about mixed-up answers. */
const PARALLEL = 24;

/** Sends a good request to `simple` with changed headers or chunking and checks the answer. */
async function answersWith(target: Target, headers: Record<string, string>, chunks?: number): Promise<void> {
  await target.require(target.options.simple);
  const call = simpleCall();
  const { body } = encode({ inputs: call.inputs });
  const path = inferPath(target.options.simple);
  expectAnswer(
    await target.send({ method: "POST", path, body, headers, ...(chunks === undefined ? {} : { chunks }) }),
    call,
  );
}

export const inferJsonRules: readonly Rule[] = [
  {
    id: "infer-json/flat",
    level: "MUST",
    says: "flat row-major data is computed",
    source: `${SPEC.rest}, Tensor Data`,
    check: async (target) => {
      const call = simpleCall();
      expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
    },
  },
  {
    id: "infer-json/nested",
    level: "MUST",
    says: "data nested to the shape is computed",
    source: `${SPEC.rest}, Tensor Data`,
    check: async (target) => {
      const call = simpleCall(2, ["nested", "nested"]);
      expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
    },
  },
  {
    id: "infer-json/flat-and-nested",
    level: "MUST",
    says: "one input flat, the other nested, in one request",
    source: `${SPEC.rest}, Tensor Data`,
    check: async (target) => {
      const call = simpleCall(3, ["flat", "nested"]);
      expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
    },
  },
  {
    id: "infer-json/batch",
    level: "MUST",
    says: "the shape and the data of a batch come back whole and in row-major order",
    source: `${SPEC.rest}: shape and data represent the full batch`,
    check: async (target) => {
      const call = simpleCall(8);
      expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
    },
  },
  {
    id: "infer-json/input-order",
    level: "MUST",
    says: "inputs are told apart by name, not by place",
    source: `${SPEC.rest}, $request_input`,
    check: async (target) => {
      const call = simpleCall();
      expectAnswer(await inferSimple(target, { inputs: call.inputs.toReversed() }), call);
    },
  },
  {
    id: "infer-json/response-model",
    level: "MUST",
    says: "the reply names the model",
    source: `${SPEC.rest}, $inference_response`,
    check: async (target) => {
      const call = simpleCall();
      const { document } = expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
      expectSame(document.model_name, target.options.simple, "`model_name`");
    },
  },
  ...[
    { id: "infer-json/id", says: "the id of the request comes back", given: "order-42" },
    { id: "infer-json/id-unicode", says: "any string can be an id", given: 'größe "1" \\ 界🙂' },
  ].map(
    ({ id, says, given }): Rule => ({
      id,
      level: "MUST",
      says,
      source: `${SPEC.rest}: if specified this identifier must be returned`,
      check: async (target) => {
        const call = simpleCall();
        const { document } = expectAnswer(await inferSimple(target, { id: given, inputs: call.inputs }), call);
        expectSame(document.id, given, "`id`");
      },
    }),
  ),
  {
    id: "infer-json/requested-outputs",
    level: "MUST",
    says: "only the outputs asked for come back",
    source: `${SPEC.rest}, $request_output`,
    check: async (target) => {
      const call = simpleCall();
      const reply = await inferSimple(target, { inputs: call.inputs, outputs: [{ name: "OUTPUT1" }] });
      const { outputs } = decode(reply);
      expectSame([...outputs.keys()], ["OUTPUT1"], "names of the outputs");
      expectSame(outputs.get("OUTPUT1")?.data, call.difference, "OUTPUT1");
    },
  },
  {
    id: "infer-json/version-path",
    level: "MUST",
    says: "a listed version is served at /versions/{v}/infer, and the reply names it",
    source: `${SPEC.rest}, $inference_response model_version`,
    check: async (target) => {
      const version = await listedVersion(target);
      const call = simpleCall();
      const { headers, body } = encode({ inputs: call.inputs });
      const path = inferPath(target.options.simple, version);
      const { document } = expectAnswer(await target.send({ method: "POST", path, headers, body }), call);
      expectSame(document.model_version, version, "`model_version`");
    },
  },
  {
    id: "infer-json/chunked",
    level: "MUST",
    says: "a body in chunks, without Content-Length, is read",
    source: `${SPEC.http}: a recipient must parse the chunked transfer coding`,
    check: (target) => answersWith(target, { "content-type": "application/json" }, 5),
  },
  {
    id: "infer-json/escapes",
    level: "MUST",
    says: "escaped strings and white space in the JSON mean the same",
    source: SPEC.json,
    check: async (target) => {
      await target.require(target.options.simple);
      const call = simpleCall();
      const text = JSON.stringify({ inputs: call.inputs }, null, "\t").replaceAll('"INPUT0"', '"\\u0049NPUT\\u0030"');
      const path = inferPath(target.options.simple);
      const headers = { "content-type": "application/json" };
      expectAnswer(await target.send({ method: "POST", path, headers, body: Buffer.from(`\r\n${text} \n`) }), call);
    },
  },
  {
    id: "infer-json/strings",
    level: "MUST",
    says: "BYTES is a JSON string in the request and in the reply",
    source: `${SPEC.rest}, Tensor Data`,
    check: async (target) => {
      await target.require(target.options.simpleString);
      const call = simpleStringCall("flat");
      const { outputs } = decode(await infer(target, target.options.simpleString, { inputs: call.inputs }));
      expectSame(outputs.get("OUTPUT0")?.datatype, "BYTES", "datatype of OUTPUT0");
      expectSame(outputs.get("OUTPUT0")?.data, call.sum.map(String), "OUTPUT0");
      expectSame(outputs.get("OUTPUT1")?.data, call.difference.map(String), "OUTPUT1");
    },
  },
  {
    id: "infer-json/own-answer",
    level: "MUST",
    says: `each of ${PARALLEL} requests at once gets its own id and its own rows`,
    source: `${SPEC.rest}: a reply belongs to its request, whatever is batched together`,
    check: async (target) => {
      await target.require(target.options.simple);
      const one = async (index: number): Promise<void> => {
        const call = simpleCall(1 + (index % 3));
        const reply = await infer(target, target.options.simple, { id: `own-${index}`, inputs: call.inputs });
        expectSame(expectAnswer(reply, call).document.id, `own-${index}`, "`id`");
      };
      await Promise.all(Array.from({ length: PARALLEL }, (_, index) => one(index)));
    },
  },
  {
    id: "infer-json/id-only-if-given",
    level: "SHOULD",
    says: "a request without id gets a reply without id",
    source: `${SPEC.rest}: the id given in the request, if any; ${SPEC.triton}`,
    check: async (target) => {
      const call = simpleCall();
      const { document } = expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
      expect(!("id" in document), `id is ${JSON.stringify(document.id)}`);
    },
  },
  {
    id: "infer-json/no-nulls",
    level: "SHOULD",
    says: "an optional member without a value is left out of the reply, not null",
    source: `${SPEC.rest}: #optional members have the type that is printed`,
    check: async (target) => {
      const call = simpleCall();
      const { document } = expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
      const parts = [document, ...array(document.outputs, "`outputs`").map((one) => object(one, "an output"))];
      const nulls = parts.flatMap((part) => Object.keys(part).filter((key) => part[key] === null));
      expectSame(nulls, [], "members that are null");
    },
  },
  {
    id: "infer-json/no-output-parameters",
    level: "SHOULD",
    says: "an output in JSON carries no parameters",
    source: `${SPEC.tritonCpp} fails on output parameters without binary_data_size`,
    check: async (target) => {
      const call = simpleCall();
      const { outputs } = expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
      const described = [...outputs.values()].filter((output) => output.parameters !== undefined);
      expectSame(
        described.map((output) => output.name),
        [],
        "outputs with parameters",
      );
    },
  },
  {
    id: "infer-json/extra-members",
    level: "SHOULD",
    says: "model_name and model_version in the request are accepted",
    source: `${SPEC.kserveClient} sends model_name; the example in ${SPEC.binary} has it`,
    check: async (target) => {
      const call = simpleCall();
      const extra = { model_name: target.options.simple, model_version: null };
      expectAnswer(await inferSimple(target, { inputs: call.inputs, extra }), call);
    },
  },
  {
    id: "infer-json/custom-parameters",
    level: "SHOULD",
    says: "parameters that the server does not know do no harm",
    source: `${SPEC.rest}, Parameters: string, number and boolean values`,
    check: async (target) => {
      const call = simpleCall();
      const parameters = { colour: "blue", weight: 1.5, urgent: false };
      expectAnswer(await inferSimple(target, { inputs: call.inputs, parameters }), call);
    },
  },
  {
    id: "infer-json/no-content-type",
    level: "SHOULD",
    says: "a request without Content-Type is read as JSON",
    source: `${SPEC.tritonClient} sends none`,
    check: (target) => answersWith(target, {}),
  },
  {
    id: "infer-json/charset",
    level: "SHOULD",
    says: "Content-Type application/json; charset=utf-8 is accepted",
    source: SPEC.http,
    check: (target) => answersWith(target, { "content-type": "application/json; charset=utf-8" }),
  },
  {
    id: "infer-json/content-type",
    level: "SHOULD",
    says: "the reply's content type is application/json",
    source: SPEC.rest,
    check: async (target) => {
      const call = simpleCall();
      const reply = await inferSimple(target, { inputs: call.inputs });
      expectAnswer(reply, call);
      const type = reply.headers["content-type"] ?? "(none)";
      expect(/^application\/json(;|$)/.test(type), `content type is ${type}`);
    },
  },
  {
    id: "infer-json/no-header-without-binary",
    level: "SHOULD",
    says: "a reply without binary data has no Inference-Header-Content-Length",
    source: `${SPEC.binary}: the header comes if any binary data is present`,
    check: async (target) => {
      const call = simpleCall();
      const inference = expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
      expectSame(inference.jsonLength, undefined, "the header");
    },
  },
];
