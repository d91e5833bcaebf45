/** Requests that must be refused, with an error object, and without harm to the server. */

import { BAD_REQUESTS, type BadRequest } from "./bad-requests.ts";
import { errorText } from "./documents.ts";
import { UNKNOWN_MODEL, UNKNOWN_VERSION } from "./health.ts";
import type { Reply } from "./http-exchange.ts";
import { expect, expectSame, type Rule, SPEC } from "./rule.ts";
import { expectAnswer, inferPath, inferSimple, simpleCall } from "./simple-model.ts";
import type { Target } from "./target.ts";

async function sendBad(target: Target, { body }: BadRequest): Promise<Reply> {
  await target.require(target.options.simple);
  const headers = { "content-type": "application/json" };
  return target.send({ method: "POST", path: inferPath(target.options.simple), headers, body: Buffer.from(body()) });
}

/** An error object for each bad request, and, apart from it, the status that puts the blame on the caller. */
function rulesOf(bad: BadRequest): readonly Rule[] {
  return [
    {
      id: `errors/${bad.id}`,
      level: bad.level,
      says: `${bad.says}: an error object`,
      source: bad.source ?? `${SPEC.rest}, $inference_error_response`,
      check: async (target) => {
        errorText(await sendBad(target, bad));
      },
    },
    {
      id: `errors/${bad.id}-4xx`,
      level: "SHOULD",
      says: `${bad.says}: the caller's fault, 4xx`,
      source: `${SPEC.rest}: typically 400`,
      check: async (target) => {
        const { status } = await sendBad(target, bad);
        if (status === 501 && bad.maybeNotImplemented === true) return;
        expect(status >= 400 && status < 500, `expected 4xx, got ${status}`);
      },
    },
  ];
}

interface BadPath {
  readonly id: string;
  readonly says: string;
  readonly method: string;
  readonly path: (target: Target) => string;
  /** Absent: any 4xx will do. */
  readonly status?: number;
  readonly body?: string;
}

const inferenceOf = (model: string) => (): string => `/v2/models/${model}/infer`;
const emptyObject = "{}";

const BAD_PATHS: readonly BadPath[] = [
  {
    id: "unknown-path",
    says: "a path that does not exist",
    method: "GET",
    path: () => "/v2/no/such/path",
    status: 404,
  },
  {
    id: "get-infer",
    says: "GET on infer",
    method: "GET",
    path: ({ options }) => inferPath(options.simple),
    status: 405,
  },
  { id: "post-metadata", says: "POST on /v2", method: "POST", path: () => "/v2", status: 405, body: emptyObject },
  {
    id: "delete-model",
    says: "DELETE on a model",
    method: "DELETE",
    path: ({ options }) => `/v2/models/${options.simple}`,
    status: 405,
  },
  {
    id: "infer-unknown-model",
    says: "infer on an unknown model",
    method: "POST",
    path: inferenceOf(UNKNOWN_MODEL),
    status: 404,
    body: emptyObject,
  },
  {
    id: "infer-unknown-version",
    says: "infer on an unknown version",
    method: "POST",
    path: ({ options }) => inferPath(options.simple, UNKNOWN_VERSION),
    status: 404,
    body: emptyObject,
  },
  {
    id: "infer-prototype-name",
    says: "a model called __proto__",
    method: "POST",
    path: inferenceOf("__proto__"),
    body: emptyObject,
  },
  {
    id: "infer-constructor-name",
    says: "a model called constructor",
    method: "POST",
    path: inferenceOf("constructor"),
    body: emptyObject,
  },
];

function pathRules({ id, says, method, path, status, body }: BadPath): readonly Rule[] {
  const ask = (target: Target): Promise<Reply> => {
    const content =
      body === undefined ? {} : { body: Buffer.from(body), headers: { "content-type": "application/json" } };
    return target.send({ method, path: path(target), ...content });
  };
  const check = async (target: Target): Promise<void> => {
    errorText(await ask(target));
  };
  const checkStatus = async (target: Target): Promise<void> => {
    const got = (await ask(target)).status;
    if (status !== undefined) expectSame(got, status, "status");
    else expect(got >= 400 && got < 500, `expected 4xx, got ${got}`);
  };
  const wanted = status ?? "4xx";
  const isInference = id.startsWith("infer-unknown");
  return [
    {
      id: `errors/${id}`,
      level: isInference ? "MUST" : "SHOULD",
      says: `${says}: an error object`,
      source: SPEC.rest,
      check,
    },
    {
      id: `errors/${id}-${wanted}`,
      level: "SHOULD",
      says: `${says}: ${wanted}`,
      source: SPEC.triton,
      check: checkStatus,
    },
  ];
}

/** What an error text must not show: stack frames, file paths. */
const INNER = /Traceback|node_modules|\bat [\w.<>]+ \(|\.(py|ts|js|cc):\d+|\/(home|usr|opt|tmp|app|var|root)\//;

export const errorRules: readonly Rule[] = [
  ...BAD_REQUESTS.flatMap(rulesOf),
  ...BAD_PATHS.flatMap(pathRules),
  {
    id: "errors/path-escape",
    level: "SHOULD",
    says: "a model name with encoded ../ is refused with 4xx",
    source: `${SPEC.http}; such a name must not reach a file system`,
    check: async (target) => {
      for (const name of ["..%2f..%2fetc%2fpasswd", "%2e%2e%2f", "simple%00", "%ff%fe"]) {
        const { status } = await target.get(`/v2/models/${name}`);
        expect(status >= 400 && status < 500, `${name}: expected 4xx, got ${status}`);
      }
    },
  },
  {
    id: "errors/content-type",
    level: "SHOULD",
    says: "an error has content type application/json without parameters",
    source: `${SPEC.kserveClient} compares for equality before it reads the text`,
    check: async (target) => {
      const reply = await target.get(`/v2/models/${UNKNOWN_MODEL}`);
      errorText(reply);
      expectSame(reply.headers["content-type"], "application/json", "content type");
    },
  },
  {
    id: "errors/nothing-inside",
    level: "SHOULD",
    says: "error texts show no stack and no file path",
    source: "CWE-209",
    check: async (target) => {
      for (const bad of BAD_REQUESTS) {
        const text = (await sendBad(target, bad)).body.toString("utf8", 0, 4000);
        expect(!INNER.test(text), `${bad.id}: ${text.slice(0, 300)}`);
      }
    },
  },
  {
    id: "errors/still-serving",
    level: "MUST",
    says: "after all that the server answers a good request",
    source: SPEC.tritonQa,
    check: async (target) => {
      const call = simpleCall();
      expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
    },
  },
];
