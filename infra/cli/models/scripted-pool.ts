/** For tests: `warmgate models` at a keyboard, against a pool that answers as it is told. */
import type { TestContext } from "node:test";
import { type Asked, answerJson, scriptedApi, typedAt } from "../admin/scripted-api.ts";
import { models } from "./models.ts";

/** In the form of POOL_SIGNING_KEYS; known nowhere. */
export const SCRIPTED_KEYS = `test:${"A".repeat(43)}`;

export interface Answer {
  readonly status?: number;
  readonly body: unknown;
}

/** By method and path: `GET /v2/models/digits`. A function is called each time. */
export type Answers = Readonly<Record<string, Answer | (() => Answer | Promise<Answer>)>>;

export interface TypedLine {
  readonly code: number;
  readonly asked: readonly Asked[];
  readonly printed: string;
  readonly noted: string;
  /** What a person at a terminal saw on the line that is written over. */
  readonly progress: readonly (string | undefined)[];
}

/** @param line without `warmgate models`; what is not answered is an unknown path */
export async function typedTo(
  context: TestContext,
  line: string,
  answers: Answers,
  { watched = false }: { readonly watched?: boolean } = {},
): Promise<TypedLine> {
  const api = await scriptedApi(context, (request, response) => {
    const answer = answers[`${request.method} ${request.url}`] ?? {
      status: 404,
      body: { error: "there is no such path", code: "not_found" },
    };
    void Promise.resolve(typeof answer === "function" ? answer() : answer).then(({ status, body }) =>
      answerJson(response, body, status),
    );
  });
  const progress: (string | undefined)[] = [];
  const typed = typedAt(undefined);
  const code = await models(line.split(" "), {
    ...typed,
    variables: { WARMGATE_POOL_URL: api.origin, POOL_SIGNING_KEYS: SCRIPTED_KEYS },
    progress: watched ? (text) => progress.push(text) : undefined,
  });
  const { printed, noted } = typed;
  return { code, asked: api.asked, printed: printed.join("\n"), noted: noted.join("\n"), progress };
}

export const DIGEST = "0123456789abcdef".repeat(4);
export const DIGITS = {
  inputs: [{ name: "pixels", datatype: "FP32", shape: [-1, 64] }],
  outputs: [{ name: "label", datatype: "INT64", shape: [-1] }],
};
const NONE = { count: 0, ns: 0 };
const WORK = {
  success: { count: 4, ns: 8e6 },
  fail: NONE,
  queue: { count: 4, ns: 4e6 },
  compute_infer: { count: 4, ns: 2e6 },
};
const STATISTICS = {
  ...{ name: "digits", version: "2", last_inference: Date.UTC(2027, 0, 1), inference_count: 8, execution_count: 4 },
  ...{ inference_stats: WORK, memory_usage: [] as { byte_size: number }[] },
};

/** A pool with one version that serves and one that does not. */
export const SCRIPTED: Answers = {
  "POST /v2/repository/index": {
    body: [
      { name: "digits", version: "1", state: "UNAVAILABLE", reason: "unloaded" },
      { name: "digits", version: "2", state: "READY", reason: "" },
    ],
  },
  "GET /pool/node": {
    body: {
      ...{ node: "pool-1", process: "12345678", startedAt: 1, sequence: 1, device: "cuda:0", hardware: "nvidia-h200" },
      ...{ provider: "cuda", ready: true, catalogue: "0".repeat(32), load: { waitMs: 0, admissionLevel: 0, slots: 1 } },
      models: [{ name: "digits", version: "2", digest: DIGEST, deterministic: true, maxBatch: 64, signature: DIGITS }],
    },
  },
  "GET /v2/models/stats": { body: { model_stats: [{ ...STATISTICS, memory_usage: [{ byte_size: 3 * 2 ** 20 }] }] } },
  "GET /v2/models/digits": { body: { name: "digits", versions: ["2"], ...DIGITS } },
  "GET /v2/models/digits/versions/2": { body: { name: "digits", versions: ["2"], ...DIGITS } },
  "GET /v2/models/digits/versions/2/config": {
    body: {
      ...{ name: "digits", platform: "onnxruntime_onnx", max_batch_size: 64 },
      ...{ instance_group: [{ kind: "KIND_GPU", count: 2 }] },
      parameters: { digest: { string_value: DIGEST }, provider: { string_value: "cuda" } },
    },
  },
  "GET /v2/models/digits/versions/2/stats": { body: { model_stats: [STATISTICS] } },
};
