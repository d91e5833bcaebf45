/** The model configuration extension. */
import { array, errorText, integer, type JsonObject, object, ok, string } from "./documents.ts";
import { listedVersion, UNKNOWN_MODEL } from "./health.ts";
import { encode } from "./inference.ts";
import { expect, expectSame, NotApplicable, type Rule, SPEC } from "./rule.ts";
import { expectAnswer, inferPath, inferSimple, simpleCall } from "./simple-model.ts";
import type { Target } from "./target.ts";

async function config(target: Target, version?: string): Promise<JsonObject> {
  const { name } = await target.require(target.options.simple);
  const path = version === undefined ? `/v2/models/${name}/config` : `/v2/models/${name}/versions/${version}/config`;
  return object(ok(await target.get(path)), "the configuration");
}

/** The largest batch that the configuration allows; NotApplicable where it sets none. */
async function maxBatch(target: Target): Promise<number> {
  const size = integer((await config(target)).max_batch_size ?? 0, "`max_batch_size`");
  if (size === 0) throw new NotApplicable("the configuration sets no max_batch_size");
  if (size > 512) throw new NotApplicable(`a batch of ${size} is too large to try`);
  return size;
}

type Draft = Omit<Rule, "level" | "source" | "extension"> & { readonly source?: string };

const drafts: readonly Draft[] = [
  {
    id: "config/members",
    says: "GET /v2/models/{m}/config has name, platform, max_batch_size, input and output",
    source: `${SPEC.configuration}; perf_analyzer reads them`,
    check: async (target) => {
      const document = await config(target);
      expectSame(document.name, target.options.simple, "`name`");
      string(document.platform ?? document.backend, "`platform` or `backend`");
      integer(document.max_batch_size, "`max_batch_size`");
      for (const member of ["input", "output"]) {
        for (const one of array(document[member], `\`${member}\``)) {
          const tensor = object(one, member);
          string(tensor.name, `${member}.name`);
          expectSame(tensor.data_type, "TYPE_INT32", `${member}.data_type`);
          array(tensor.dims, `${member}.dims`);
        }
      }
    },
  },
  {
    id: "config/agrees-with-metadata",
    says: "the configuration names the inputs and outputs that the metadata names",
    check: async (target) => {
      const document = await config(target);
      const { inputs, outputs } = await target.require(target.options.simple);
      const named = (member: string): unknown[] =>
        array(document[member], member).map((one) => object(one, member).name);
      expectSame(
        named("input"),
        inputs.map((tensor) => tensor.name),
        "inputs",
      );
      expectSame(
        named("output"),
        outputs.map((tensor) => tensor.name),
        "outputs",
      );
    },
  },
  {
    id: "config/dims-without-batch",
    says: "dims leave the batch dimension out when max_batch_size is above 0",
    source: "Triton model_config.proto, max_batch_size",
    check: async (target) => {
      await maxBatch(target);
      const [input] = array((await config(target)).input, "`input`");
      const dims = array(object(input, "an input").dims, "dims").map(Number);
      expectSame(dims, [16], "dims of the first input");
    },
  },
  {
    id: "config/largest-batch",
    says: "a batch of max_batch_size is answered",
    check: async (target) => {
      const call = simpleCall(await maxBatch(target));
      expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
    },
  },
  {
    id: "config/batch-too-large",
    says: "a batch above max_batch_size is refused with 400",
    source: `${SPEC.triton}: inference request batch-size must be <= N`,
    check: async (target) => {
      const { body, headers } = encode({ inputs: simpleCall((await maxBatch(target)) + 1).inputs });
      const reply = await target.send({ method: "POST", path: inferPath(target.options.simple), headers, body });
      errorText(reply);
      expect(reply.status === 400, `expected 400, got ${reply.status}`);
    },
  },
  {
    id: "config/version",
    says: "a listed version has a configuration",
    check: async (target) => {
      expectSame((await config(target, await listedVersion(target))).name, target.options.simple, "`name`");
    },
  },
  {
    id: "config/unknown-model",
    says: "the configuration of an unknown model is an error object",
    check: async (target) => {
      errorText(await target.get(`/v2/models/${UNKNOWN_MODEL}/config`));
    },
  },
];

export const configRules: readonly Rule[] = drafts.map((draft) => ({
  source: SPEC.configuration,
  ...draft,
  level: "EXTENSION",
  extension: "model_configuration",
}));
