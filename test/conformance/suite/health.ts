/** Liveness and readiness of the server and of a model. */
import { errorText, object, ok } from "./documents.ts";
import { expect, expectSame, NotApplicable, type Rule, SPEC } from "./rule.ts";
import type { Target } from "./target.ts";

export const UNKNOWN_MODEL = "no_such_model_anywhere";
export const UNKNOWN_VERSION = "987654";

async function answers200(target: Target, path: string): Promise<void> {
  const reply = await target.get(path);
  expect(reply.status === 200, `expected status 200, got ${reply.status}`);
}

/** The first version that the metadata lists; NotApplicable for a server or a model without versions. */
export async function listedVersion(target: Target): Promise<string> {
  const [version] = (await target.require(target.options.simple)).versions;
  if (version === undefined) throw new NotApplicable("the model's metadata lists no versions");
  return version;
}

async function refusesReadiness(target: Target, path: string): Promise<void> {
  const reply = await target.get(path);
  expect(reply.status >= 400 && reply.status <= 599, `expected an HTTP error status, got ${reply.status}`);
}

export const healthRules: readonly Rule[] = [
  {
    id: "health/live",
    level: "MUST",
    says: "GET /v2/health/live answers 200",
    source: SPEC.rest,
    check: (target) => answers200(target, "/v2/health/live"),
  },
  {
    id: "health/ready",
    level: "MUST",
    says: "GET /v2/health/ready answers 200 when all models are ready",
    source: SPEC.rest,
    check: (target) => answers200(target, "/v2/health/ready"),
  },
  {
    id: "health/model-ready",
    level: "MUST",
    says: "GET /v2/models/{m}/ready answers 200 for a ready model",
    source: SPEC.rest,
    check: async (target) => {
      await target.require(target.options.simple);
      await answers200(target, `/v2/models/${target.options.simple}/ready`);
    },
  },
  {
    id: "health/version-ready",
    level: "MUST",
    says: "a version listed in the metadata can be asked for by /versions/{v}/ready",
    source: `${SPEC.rest}, Model Metadata: versions that may be explicitly requested`,
    check: async (target) => {
      const version = await listedVersion(target);
      await answers200(target, `/v2/models/${target.options.simple}/versions/${version}/ready`);
    },
  },
  {
    id: "health/unknown-model",
    level: "MUST",
    says: "a model that does not exist is not ready: 4xx or 5xx",
    source: SPEC.rest,
    check: (target) => refusesReadiness(target, `/v2/models/${UNKNOWN_MODEL}/ready`),
  },
  {
    id: "health/unknown-version",
    level: "MUST",
    says: "a version that does not exist is not ready: 4xx or 5xx",
    source: SPEC.rest,
    check: async (target) => {
      await target.require(target.options.simple);
      await refusesReadiness(target, `/v2/models/${target.options.simple}/versions/${UNKNOWN_VERSION}/ready`);
    },
  },
  {
    id: "health/live-body",
    level: "SHOULD",
    says: 'the liveness body is {"live": true}',
    source: `${SPEC.rest}; ${SPEC.kserveClient} reads it and fails on an empty body`,
    check: async (target) =>
      expectSame(object(ok(await target.get("/v2/health/live")), "the body").live, true, "`live`"),
  },
  {
    id: "health/ready-body",
    level: "SHOULD",
    says: 'the readiness body is {"ready": true}',
    source: `${SPEC.kserveClient} reads it and fails on an empty body`,
    check: async (target) =>
      expectSame(object(ok(await target.get("/v2/health/ready")), "the body").ready, true, "`ready`"),
  },
  {
    id: "health/model-ready-body",
    level: "SHOULD",
    says: 'the body for a ready model is {"name": …, "ready": true}',
    source: `${SPEC.rest}, $ready_model_response; ${SPEC.kserveClient}`,
    check: async (target) => {
      const { name } = await target.require(target.options.simple);
      const body = object(ok(await target.get(`/v2/models/${name}/ready`)), "the body");
      expectSame([body.name, body.ready], [name, true], "[`name`, `ready`]");
    },
  },
  {
    id: "health/not-ready-error",
    level: "SHOULD",
    says: "the refusal for a model that does not exist is an error object",
    source: SPEC.triton,
    check: async (target) => {
      errorText(await target.get(`/v2/models/${UNKNOWN_MODEL}/ready`));
    },
  },
  {
    id: "health/query-ignored",
    level: "SHOULD",
    says: "unknown query parameters are ignored",
    source: `${SPEC.tritonClient} passes query_params through`,
    check: (target) => answers200(target, "/v2/health/live?test_1=1&test_2=2"),
  },
];
