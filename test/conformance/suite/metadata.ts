/** What the server and its models say about themselves. */
import { errorText, modelMetadata, object, ok, serverMetadata } from "./documents.ts";
import { listedVersion, UNKNOWN_MODEL, UNKNOWN_VERSION } from "./health.ts";
import { expect, expectSame, type Rule, SPEC } from "./rule.ts";

export const metadataRules: readonly Rule[] = [
  {
    id: "metadata/server",
    level: "MUST",
    says: "GET /v2 answers name, version and extensions",
    source: `${SPEC.rest}, $metadata_server_response`,
    check: async (target) => {
      serverMetadata(await target.get("/v2"));
    },
  },
  {
    id: "metadata/server-slash",
    level: "SHOULD",
    says: "GET /v2/ answers the same as GET /v2",
    source: `${SPEC.yaml} prints the path with a slash, inference_rest.md without`,
    check: async (target) =>
      expectSame(serverMetadata(await target.get("/v2/")), serverMetadata(await target.get("/v2")), "metadata"),
  },
  {
    id: "metadata/model",
    level: "MUST",
    says: "GET /v2/models/{m} answers name, platform, inputs and outputs with datatypes and shapes",
    source: `${SPEC.rest}, $metadata_model_response`,
    check: async (target) => {
      const metadata = await target.require(target.options.simple);
      expectSame(metadata.name, target.options.simple, "`name`");
      expect(metadata.inputs.length > 0 && metadata.outputs.length > 0, "inputs or outputs are empty");
    },
  },
  {
    id: "metadata/simple-signature",
    level: "MUST",
    says: "the metadata of simple describes INPUT0, INPUT1, OUTPUT0, OUTPUT1 as INT32 of width 16",
    source: `${SPEC.rest}, $metadata_tensor`,
    check: async (target) => {
      const { inputs, outputs } = await target.require(target.options.simple);
      const names = [...inputs, ...outputs].map((tensor) => tensor.name).sort();
      expectSame(names, ["INPUT0", "INPUT1", "OUTPUT0", "OUTPUT1"], "tensor names");
      for (const tensor of [...inputs, ...outputs]) {
        expectSame(tensor.datatype, "INT32", `datatype of ${tensor.name}`);
        expectSame(tensor.shape.at(-1), 16, `last dimension of ${tensor.name}`);
      }
    },
  },
  {
    id: "metadata/version",
    level: "MUST",
    says: "a version that the metadata lists can be asked for by /versions/{v}",
    source: `${SPEC.rest}, Model Metadata: versions that may be explicitly requested`,
    check: async (target) => {
      const version = await listedVersion(target);
      const { name } = modelMetadata(await target.get(`/v2/models/${target.options.simple}/versions/${version}`));
      expectSame(name, target.options.simple, "`name`");
    },
  },
  {
    id: "metadata/unknown-model",
    level: "MUST",
    says: "an unknown model gives an error status and an error object",
    source: `${SPEC.rest}, $metadata_model_error_response`,
    check: async (target) => {
      errorText(await target.get(`/v2/models/${UNKNOWN_MODEL}`));
    },
  },
  {
    id: "metadata/unknown-version",
    level: "MUST",
    says: "an unknown version gives an error status and an error object",
    source: `${SPEC.rest}, $metadata_model_error_response`,
    check: async (target) => {
      await target.require(target.options.simple);
      errorText(await target.get(`/v2/models/${target.options.simple}/versions/${UNKNOWN_VERSION}`));
    },
  },
  {
    id: "metadata/case-sensitive",
    level: "MUST",
    says: "names are case-sensitive",
    source: "kserve/kserve docs/predict-api/v2/required_api.md: all strings in all contexts are case-sensitive",
    check: async (target) => {
      await target.require(target.options.simple);
      const other = target.options.simple.toUpperCase();
      expect(other !== target.options.simple, "the model's name has no lower-case letter");
      errorText(await target.get(`/v2/models/${other}`));
    },
  },
  {
    id: "metadata/unknown-model-404",
    level: "SHOULD",
    says: "an unknown model is 404",
    source: SPEC.triton,
    check: async (target) => expectSame((await target.get(`/v2/models/${UNKNOWN_MODEL}`)).status, 404, "status"),
  },
  {
    id: "metadata/unknown-model-text",
    level: "SHOULD",
    says: "the error for an unknown model starts with `Request for unknown model`",
    source: "tritonclient examples simple_http_infer_client.py and simple_http_health_metadata.py assert it",
    check: async (target) => {
      const text = errorText(await target.get(`/v2/models/${UNKNOWN_MODEL}`));
      expect(text.startsWith("Request for unknown model"), `the text is: ${text}`);
    },
  },
  {
    id: "metadata/percent-encoding",
    level: "SHOULD",
    says: "a percent-encoded letter in a model name is the letter",
    source: "RFC 3986 section 6.2.2.2; clients percent-encode names",
    check: async (target) => {
      const { name } = await target.require(target.options.simple);
      const encoded = `%${name.charCodeAt(0).toString(16).toUpperCase()}${name.slice(1)}`;
      expectSame(modelMetadata(await target.get(`/v2/models/${encoded}`)).name, name, "`name`");
    },
  },
  {
    id: "metadata/no-nulls",
    level: "SHOULD",
    says: "an optional member without a value is left out, not null",
    source: `${SPEC.rest}: #optional members have the type that is printed`,
    check: async (target) => {
      await target.require(target.options.simple);
      const document = object(ok(await target.get(`/v2/models/${target.options.simple}`)), "the model metadata");
      const nulls = Object.keys(document).filter((key) => document[key] === null);
      expectSame(nulls, [], "members that are null");
    },
  },
  {
    id: "metadata/platform",
    level: "SHOULD",
    says: "the platform has the form project_format",
    source: `${SPEC.rest}, Platforms`,
    check: async (target) => {
      const { platform } = await target.require(target.options.simple);
      expect(/^[a-z0-9]+_[a-z0-9]+$/i.test(platform), `platform is ${JSON.stringify(platform)}`);
    },
  },
  {
    id: "metadata/content-type",
    level: "SHOULD",
    says: "metadata has content type application/json",
    source: `${SPEC.rest}; ${SPEC.yaml}`,
    check: async (target) => {
      const type = (await target.get("/v2")).headers["content-type"] ?? "(none)";
      expect(/^application\/json(;|$)/.test(type), `content type is ${type}`);
    },
  },
];
