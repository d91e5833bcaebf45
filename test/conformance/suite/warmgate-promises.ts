/** What only Warmgate promises: stable codes, exact statuses, request ids. Checked with `--profile warmgate`. */
import { errorText, json, object, serverMetadata, string } from "./documents.ts";
import { UNKNOWN_MODEL, UNKNOWN_VERSION } from "./health.ts";
import type { Call } from "./http-exchange.ts";
import { type EncodedCall, encode } from "./inference.ts";
import { expect, expectSame, NotApplicable, type Rule, SPEC } from "./rule.ts";
import { inferPath, inferSimple, simpleCall } from "./simple-model.ts";
import type { Target } from "./target.ts";

interface Refusal {
  readonly code: string;
  readonly status: number;
  readonly says: string;
  readonly call: (target: Target) => Call;
}

const post = (target: Target, body: string | Buffer, headers: Record<string, string> = {}): Call => ({
  method: "POST",
  path: inferPath(target.options.simple),
  body: Buffer.from(body),
  headers: { "content-type": "application/json", ...headers },
});

const binary = (): EncodedCall => encode({ inputs: simpleCall(1, ["binary", "binary"]).inputs });
const changed = (change: (text: string) => string): string => change(JSON.stringify({ inputs: simpleCall().inputs }));

const REFUSALS: readonly Refusal[] = [
  {
    code: "model_not_found",
    status: 404,
    says: "an unknown model",
    call: () => ({ method: "GET", path: `/v2/models/${UNKNOWN_MODEL}` }),
  },
  {
    code: "version_not_found",
    status: 404,
    says: "an unknown version",
    call: ({ options }) => ({ method: "GET", path: `/v2/models/${options.simple}/versions/${UNKNOWN_VERSION}` }),
  },
  { code: "not_found", status: 404, says: "an unknown path", call: () => ({ method: "GET", path: "/v2/nothing" }) },
  {
    code: "method_not_allowed",
    status: 405,
    says: "a wrong method",
    call: ({ options }) => ({ method: "GET", path: inferPath(options.simple) }),
  },
  { code: "malformed_json", status: 400, says: "broken JSON", call: (target) => post(target, "{") },
  { code: "invalid_request", status: 400, says: "no inputs", call: (target) => post(target, "{}") },
  {
    code: "invalid_header_length",
    status: 400,
    says: "a header beyond the body",
    call: (target) => post(target, binary().body, { "inference-header-content-length": "99999999999" }),
  },
  {
    code: "invalid_shape",
    status: 400,
    says: "a negative dimension",
    call: (target) =>
      post(
        target,
        changed((text) => text.replace("[1,16]", "[1,-16]")),
      ),
  },
  {
    code: "invalid_data",
    status: 400,
    says: "a wrong number of elements",
    call: (target) =>
      post(
        target,
        changed((text) => text.replace('"data":[', '"data":[1,')),
      ),
  },
  {
    code: "input_mismatch",
    status: 400,
    says: "an unknown input",
    call: (target) =>
      post(
        target,
        changed((text) => text.replace("INPUT0", "INPUT9")),
      ),
  },
  {
    code: "unknown_output",
    status: 400,
    says: "an unknown output",
    call: (target) =>
      post(
        target,
        changed((text) => text.replace(/\}$/, ',"outputs":[{"name":"NONE"}]}')),
      ),
  },
  {
    code: "batch_too_large",
    status: 400,
    says: "a batch of 9 for a model with a maximum of 8",
    call: (target) => post(target, JSON.stringify({ inputs: simpleCall(9).inputs })),
  },
  {
    code: "unsupported_encoding",
    status: 415,
    says: "an unknown Content-Encoding",
    call: (target) => post(target, "{}", { "content-encoding": "x-unheard-of" }),
  },
];

function refusalRule({ code, status, says, call }: Refusal): Rule {
  return {
    id: `warmgate/code-${code}`,
    level: "MUST",
    says: `${says}: ${status} with code ${code} and a request id`,
    source: SPEC.warmgate,
    profile: "warmgate",
    check: async (target) => {
      await target.require(target.options.simple);
      const reply = await target.send(call(target));
      errorText(reply);
      const body = object(json(reply.body), "the error body");
      expectSame([reply.status, body.code], [status, code], "[status, code]");
      expect(string(body.request_id, "`request_id`").length > 0, "`request_id` is empty");
      expectSame(reply.headers["content-type"], "application/json", "content type");
    },
  };
}

type Draft = Omit<Rule, "level" | "source" | "profile">;

const drafts: readonly Draft[] = [
  {
    id: "warmgate/binary-advertised",
    says: "GET /v2 advertises binary_tensor_data",
    check: async (target) => {
      const { extensions } = serverMetadata(await target.get("/v2"));
      expect(extensions.includes("binary_tensor_data"), `extensions are ${extensions.join(", ")}`);
    },
  },
  {
    id: "warmgate/allow",
    says: "405 names the methods in Allow",
    check: async (target) => {
      const reply = await target.get(inferPath(target.options.simple));
      expectSame([reply.status, reply.headers.allow?.includes("POST")], [405, true], "[status, Allow has POST]");
    },
  },
  {
    id: "warmgate/request-id",
    says: "a reply carries x-request-id, and the caller's own comes back",
    check: async (target) => {
      expect((await target.get("/v2")).headers["x-request-id"] !== undefined, "no x-request-id in the reply");
      const sent = { "x-request-id": "conformance-1234567890" };
      const reply = await target.send({ method: "GET", path: "/v2", headers: sent });
      expectSame(reply.headers["x-request-id"], sent["x-request-id"], "x-request-id");
    },
  },
  {
    id: "warmgate/server-timing",
    says: "an inference reply carries Server-Timing",
    check: async (target) => {
      const reply = await inferSimple(target, { inputs: simpleCall().inputs });
      expectSame([reply.status, reply.headers["server-timing"] !== undefined], [200, true], "[status, has the header]");
    },
  },
  {
    id: "warmgate/without-key",
    says: "where a key is needed, inference without one is 401 unauthenticated",
    check: async (target) => {
      if (Object.keys(target.options.headers).length === 0) throw new NotApplicable("the suite runs without a key");
      const { headers, body } = encode({ inputs: simpleCall().inputs });
      const path = inferPath(target.options.simple);
      const reply = await target.send({ method: "POST", path, headers, body, anonymous: true });
      errorText(reply);
      expectSame([reply.status, object(json(reply.body), "the body").code], [401, "unauthenticated"], "[status, code]");
    },
  },
  {
    id: "warmgate/fraction",
    says: "1.0 is an integer, 1.5 is not",
    check: async (target) => {
      const whole = changed((text) => text.replace(/"data":\[-?\d+/, '"data":[1.0'));
      await target.require(target.options.simple);
      const statuses = [];
      for (const body of [whole, whole.replace("[1.0", "[1.5")])
        statuses.push((await target.send(post(target, body))).status);
      expectSame(statuses, [200, 400], "statuses");
    },
  },
];

export const warmgateRules: readonly Rule[] = [
  ...drafts.map((draft) => ({ ...draft, level: "MUST" as const, source: SPEC.warmgate, profile: "warmgate" as const })),
  ...REFUSALS.map(refusalRule),
];
