/** Input that is wrong in every way known to us is refused with the right code, in the one error shape. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { call, inferJson } from "../support/inference-call.ts";
import { linkModels, type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { account } from "../support/pool-metrics.ts";
import { until } from "../support/until.ts";

const LIMIT = 1024 * 1024;

interface BadInput {
  readonly why: string;
  readonly body: string | Uint8Array;
  readonly status: number;
  readonly code: string;
  readonly model?: string;
  readonly headers?: Record<string, string>;
}

/** A body for identity_fp32 with one field of its input replaced by other JSON text. */
function fp32(field: Partial<Record<"name" | "shape" | "datatype" | "data", string>>): string {
  const whole = { name: '"INPUT0"', shape: "[1,2]", datatype: '"FP32"', data: "[1,2]", ...field };
  return `{"inputs":[{${Object.entries(whole)
    .map(([key, text]) => `"${key}":${text}`)
    .join(",")}}]}`;
}

const GOOD = fp32({});
const bad = (code: string, why: string, body: string | Uint8Array, rest: Partial<BadInput> = {}): BadInput => ({
  status: 400,
  code,
  why,
  body,
  ...rest,
});

const CATALOGUE: readonly BadInput[] = [
  bad("malformed_json", "no body", ""),
  bad("malformed_json", "JSON cut off", GOOD.slice(0, -3)),
  bad("malformed_json", "bytes that are not UTF-8", Buffer.from([0x7b, 0xff, 0x7d])),
  bad("malformed_json", "NaN", fp32({ data: "[NaN,1]" })),
  bad("malformed_json", "Infinity", fp32({ data: "[1,-Infinity]" })),
  bad("non_finite", "null among the data", fp32({ data: "[1,null]" })),
  bad("invalid_request", "an array for a body", "[]"),
  bad("invalid_request", "no inputs", "{}"),
  bad("invalid_request", "an empty list of inputs", '{"inputs":[]}'),
  bad("invalid_shape", "a negative dimension", fp32({ shape: "[-1,2]" })),
  bad("invalid_shape", "a fractional dimension", fp32({ shape: "[1.5,2]" })),
  bad("invalid_shape", "a dimension as text", fp32({ shape: '["1",2]' })),
  bad("invalid_shape", "more elements than there can be", fp32({ shape: "[4294967296,4294967296]" })),
  bad("invalid_shape", "thirty-three dimensions", fp32({ shape: `[${"1,".repeat(32)}2]` })),
  bad("invalid_data", "less data than the shape says", fp32({ data: "[1]" })),
  bad("invalid_data", "more data than the shape says", fp32({ data: "[1,2,3]" })),
  bad("invalid_data", "ragged data", fp32({ data: "[[1],[2,3]]", shape: "[2,2]" })),
  bad("invalid_data", "text for a number", fp32({ data: '["1",2]' })),
  bad("invalid_data", "an object for a number", fp32({ data: '[{"__proto__":1},2]' })),
  bad("invalid_data", "a number beyond FP32", fp32({ data: "[1e39,2]" })),
  bad("invalid_data", "255 + 1 as UINT8", fp32({ datatype: '"UINT8"', data: "[256,1]" }), { model: "identity_uint8" }),
  bad("input_mismatch", "a datatype that is not the model's", fp32({ datatype: '"FP64"' })),
  bad("input_mismatch", "a rank that is not the model's", fp32({ shape: "[2]" })),
  bad("input_mismatch", "a name in the wrong case", fp32({ name: '"input0"' })),
  bad(
    "input_mismatch",
    "an input too many",
    GOOD.replace("]}]}", ']},{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}'),
  ),
  bad("input_mismatch", "an input missing", fp32({ datatype: '"INT32"', shape: "[1,2]" }), { model: "simple" }),
  bad("input_mismatch", "no rows", fp32({ shape: "[0,2]", data: "[]" })),
  bad("batch_too_large", "too many rows", fp32({ shape: "[2000,1]", data: JSON.stringify(new Array(2000).fill(1)) })),
  bad("unknown_output", "an output that is not there", GOOD.replace("]}]}", ']}],"outputs":[{"name":"nope"}]}')),
  bad("binary_required", "half precision in JSON", fp32({ datatype: '"FP16"' }), { model: "identity_fp16" }),
  bad("invalid_data", "a NUL in text for the model", fp32({ datatype: '"BYTES"', data: '["a\\u0000b","c"]' }), {
    model: "identity_string",
  }),
  bad("model_failed", "text where the model wants digits", simpleString(), { model: "simple_string", status: 500 }),
  bad("invalid_header_length", "a header length beyond the body", GOOD, {
    headers: { "inference-header-content-length": "99999" },
  }),
  bad("invalid_header_length", "a header length that is no number", GOOD, {
    headers: { "inference-header-content-length": "-5" },
  }),
  bad("invalid_request", "a time budget of nothing", GOOD, { headers: { "x-warmgate-timeout-ms": "0" } }),
  bad("invalid_request", "a time budget that is no number", GOOD, { headers: { "x-warmgate-timeout-ms": "soon" } }),
  bad("unsupported_encoding", "an encoding that is not served", GOOD, {
    status: 415,
    headers: { "content-encoding": "br" },
  }),
  bad("invalid_data", "gzip that is not gzip", GOOD, { headers: { "content-encoding": "gzip" } }),
  bad("body_too_large", "a gzip bomb", gzipSync(Buffer.alloc(LIMIT + 1)), {
    status: 413,
    headers: { "content-encoding": "gzip" },
  }),
  bad("body_too_large", "a body one byte too long", " ".repeat(LIMIT + 1), { status: 413 }),
  bad(
    "not_implemented",
    "shared memory",
    fp32({}).replace('"data":[1,2]', '"parameters":{"shared_memory_region":"r"}'),
    {
      status: 501,
    },
  ),
  bad("not_implemented", "a sequence", GOOD.replace("]}]}", ']}],"parameters":{"sequence_id":1}}'), { status: 501 }),
  bad("model_not_found", "a model that is not there", GOOD, { status: 404, model: "nothing" }),
  bad("version_not_found", "a version that is not there", GOOD, { status: 404, model: "identity_fp32/versions/9" }),
  bad("invalid_model_name", "a path for a name", GOOD, { model: "..%2f..%2fetc%2fpasswd" }),
  bad("invalid_model_name", "a NUL in the name", GOOD, { model: "a%00b" }),
];

function simpleString(): string {
  const input = (name: string) => ({ name, shape: [1, 16], datatype: "BYTES", data: new Array(16).fill("x") });
  return JSON.stringify({ inputs: [input("INPUT0"), input("INPUT1")] });
}

describe("bad input", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-bad-input-"));
  let pool: PoolProcess;
  before(async () => {
    for (const model of [
      "identity_fp32",
      "identity_fp16",
      "identity_uint8",
      "identity_string",
      "simple",
      "simple_string",
    ]) {
      linkModels(folder, `${TEST_MODELS.basic}/${model}`);
    }
    pool = await startPool({ models: [folder], arguments: ["--max-body-bytes", String(LIMIT)] });
  });
  after(async () => {
    await pool.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const { why, body, status, code, model = "identity_fp32", headers = {} } of CATALOGUE) {
    test(`${why}: ${status} ${code}`, async () => {
      const sent = typeof body === "string" ? body : new Uint8Array(body);
      const reply = await call(`${pool.url}/v2/models/${model}/infer`, { method: "POST", body: sent, headers });
      const refusal = JSON.parse(reply.body.toString());
      assert.deepEqual([reply.status, refusal.code], [status, code], reply.body.toString());
      assert.equal(reply.headers.get("content-type"), "application/json");
      assert.deepEqual(Object.keys(refusal).sort(), ["code", "error", "request_id"]);
      assert.equal(refusal.request_id, reply.headers.get("x-request-id"));
      assert.doesNotMatch(refusal.error, /\/[a-z]+\/|node_modules|\.cc:|at .*:\d+/);
    });
  }

  test("a wrong method is told which ones there are", async () => {
    const reply = await call(`${pool.url}/v2/models/simple/infer`, { method: "PUT", body: GOOD });
    assert.equal(reply.status, 405);
    assert.equal(reply.headers.get("allow"), "POST");
    assert.equal(JSON.parse(reply.body.toString()).code, "method_not_allowed");
  });

  test("the caller's request id comes back, unless it could do harm", async () => {
    const idFor = async (id: string) =>
      (await call(`${pool.url}/v2`, { headers: { "x-request-id": id } })).headers.get("x-request-id");
    assert.equal(await idFor("order-17.b"), "order-17.b");
    for (const harmful of ["<script>", "a b", "x".repeat(65)]) assert.notEqual(await idFor(harmful), harmful);
  });

  test("any content type is taken: the header of the extension decides how the body is read", async () => {
    for (const type of ["application/json; charset=utf-8", "text/plain", "application/octet-stream"]) {
      const reply = await call(`${pool.url}/v2/models/identity_fp32/infer`, {
        method: "POST",
        body: GOOD,
        headers: { "content-type": type },
      });
      assert.equal(reply.status, 200, type);
    }
  });

  test("a body that JSON's names could poison changes nothing", async () => {
    const poison = GOOD.replace("{", '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":1}},');
    await inferJson(pool.url, "identity_fp32", JSON.parse(poison));
    const { outputs } = await inferJson(pool.url, "identity_fp32", JSON.parse(GOOD));
    assert.deepEqual(outputs[0]?.data.flat(), [1, 2]);
  });

  test("after all of this every request is accounted for and the process is the one that started", async () => {
    const { received, ok, rejected, failed, cancelled } = await until("nothing in flight", async () => {
      const now = await account(pool);
      return now.inFlight === 0 && now;
    });
    assert.equal(received, ok + rejected + failed + cancelled);
    assert.ok(received >= CATALOGUE.length && rejected > 30 && ok > 0 && failed > 0);
    assert.equal(pool.starts.length, 1);
    assert.doesNotMatch(pool.output, /unhandled|uncaught/i);
  });
});
