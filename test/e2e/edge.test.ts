import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { z } from "zod";
import { encodeInferenceRequest } from "../../shared/protocol/request.ts";
import { decodeInferenceResponse } from "../../shared/protocol/response.ts";
import { PROJECT, startTestStack, type TestStack } from "../support/stack.ts";
import { until } from "../support/until.ts";

const examples = join(PROJECT, "gpu-pool", "models", "digits", "examples");
const seven = readFileSync(join(examples, "seven.json"), "utf8").trim();
const expected: Record<string, number[]> = JSON.parse(readFileSync(join(examples, "expected.json"), "utf8"));

const answerSchema = z.looseObject({
  id: z.string().optional(),
  model_version: z.string(),
  outputs: z.array(z.looseObject({ name: z.string(), data: z.array(z.unknown()) })),
});
const refusalSchema = z.strictObject({ error: z.string(), code: z.string(), request_id: z.string() });

/** A prediction's answer; a refusal fails the test with its text. */
async function answered(reply: Response): Promise<z.infer<typeof answerSchema>> {
  const text = await reply.text();
  assert.equal(reply.status, 200, text);
  return answerSchema.parse(JSON.parse(text));
}

function labelsOf(answer: z.infer<typeof answerSchema>): unknown {
  return answer.outputs.find((output) => output.name === "label")?.data;
}

describe("the edge, with a real pool behind it", () => {
  let stack: TestStack;
  before(async () => {
    stack = await startTestStack(["gpu-pool/models", "test/models/basic"]);
  });
  after(() => stack.stop());

  const call = (path: string, init: RequestInit & { key?: string | null } = {}) => {
    const { key = stack.demoKey, ...rest } = init;
    const headers = new Headers(rest.headers);
    if (key !== null) headers.set("authorization", `Bearer ${key}`);
    if (rest.body !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json");
    return fetch(stack.edgeUrl + path, { ...rest, headers });
  };
  const infer = (body: string | Uint8Array<ArrayBuffer>, init: RequestInit & { key?: string | null } = {}) =>
    call("/v2/models/digits/infer", { method: "POST", body, ...init });
  const refused = async (reply: Response, status: number, code: string) => {
    const body = refusalSchema.parse(await reply.json());
    assert.equal(reply.status, status, JSON.stringify(body));
    assert.equal(body.code, code);
    assert.equal(body.request_id, reply.headers.get("x-request-id"));
    assert.equal(reply.headers.get("content-type"), "application/json");
    return body;
  };

  describe("predicts", () => {
    for (const [file, labels] of Object.entries(expected)) {
      test(`${file} is read as ${labels.join(", ")} by both versions`, async () => {
        const body = readFileSync(join(examples, file), "utf8");
        for (const version of ["1", "2"]) {
          const reply = await call(`/v2/models/digits/versions/${version}/infer`, { method: "POST", body });
          const answer = await answered(reply);
          assert.equal(answer.model_version, version);
          assert.deepEqual(labelsOf(answer), labels);
        }
      });
    }

    test("JSON comes back as JSON with exactly that content type, the id echoed", async () => {
      const reply = await infer(JSON.stringify({ id: "mine-1", ...JSON.parse(seven) }));
      assert.equal(reply.headers.get("content-type"), "application/json");
      assert.equal((await answered(reply)).id, "mine-1");
    });

    test("binary tensors in and out give what JSON gives", async () => {
      const { data } = JSON.parse(seven).inputs[0];
      const bytes = new Uint8Array(Float32Array.from(data).buffer);
      const message = encodeInferenceRequest({
        parameters: {},
        inputs: [{ name: "pixels", datatype: "FP32", shape: [1, 64], bytes }],
        binaryOutput: true,
      });
      const reply = await infer(Uint8Array.from(message.body), {
        headers: { "inference-header-content-length": String(message.headerLength) },
      });
      const body = new Uint8Array(await reply.arrayBuffer());
      const answer = decodeInferenceResponse(body, reply.headers.get("inference-header-content-length"));
      const label = answer.outputs.find((output) => output.name === "label");
      assert.equal(new DataView(label!.bytes.slice().buffer).getBigInt64(0, true), 7n);
    });

    test("a raw binary body goes through to a model with one input", async () => {
      const { data } = JSON.parse(seven).inputs[0];
      const reply = await infer(new Uint8Array(Float32Array.from(data).buffer), {
        headers: { "inference-header-content-length": "0" },
      });
      assert.equal(reply.status, 200);
      assert.equal(reply.headers.get("content-type"), "application/octet-stream");
    });

    test("a gzip body is read", async () => {
      const reply = await infer(Uint8Array.from(gzipSync(seven)), { headers: { "content-encoding": "gzip" } });
      assert.deepEqual(labelsOf(await answered(reply)), [7]);
    });

    test("whole numbers beyond 2^53 come back digit by digit", async () => {
      const body = '{"inputs":[{"name":"INPUT0","shape":[1,1],"datatype":"INT64","data":[9223372036854775807]}]}';
      const reply = await call("/v2/models/identity_int64/infer", { method: "POST", body });
      assert.match(await reply.text(), /"data":\[9223372036854775807\]/);
    });
  });

  describe("tells callers", () => {
    test("where the time went, in both halves", async () => {
      const timing =
        (await infer(seven, { headers: { "cache-control": "no-store" } })).headers.get("server-timing") ?? "";
      for (const stage of ["identify", "decode", "forward", "encode", "total", "pool-queue", "pool-compute"]) {
        assert.match(timing, new RegExp(`(^|, )${stage};dur=`), timing);
      }
    });

    test("their own request id and the trace they are in", async () => {
      const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
      const reply = await infer(seven, {
        headers: { "x-request-id": "order-17", traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
      });
      assert.equal(reply.headers.get("x-request-id"), "order-17");
      assert.match(reply.headers.get("traceparent") ?? "", new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    });

    test("an id that could not go into a log is replaced", async () => {
      const reply = await infer(seven, { headers: { "x-request-id": "a b{}" } });
      assert.match(reply.headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
    });
  });

  describe("lets in only who may", () => {
    test("no key, noise, a wrong checksum, an unknown key and a wrong secret look the same", async () => {
      const demo = stack.demoKey.split("_");
      const other = (await stack.unknownKey()).split("_");
      const wrongChecksum = `${stack.demoKey.slice(0, -1)}${stack.demoKey.endsWith("A") ? "B" : "A"}`;
      const texts = new Set<string>();
      for (const key of [null, "noise", wrongChecksum, other.join("_"), `${demo[0]}_live_${demo.slice(2).join("_")}`]) {
        const reply = await infer(seven, { key });
        assert.equal(reply.headers.get("www-authenticate"), "Bearer");
        texts.add((await refused(reply, 401, "unauthenticated")).error);
      }
      assert.equal(texts.size, 1);
    });

    test("a key works at once, also after it was tried too early", async () => {
      await refused(await infer(seven, { key: await stack.unknownKey() }), 401, "unauthenticated");
      const key = await stack.addKey(["predict:*"]);
      assert.equal((await infer(seven, { key })).status, 200);
    });

    test("an expired key is refused", async () => {
      const key = await stack.addKey(["predict:*"], Date.now() - 1);
      await refused(await infer(seven, { key }), 401, "unauthenticated");
    });

    test("a key reaches the models of its scopes and no others", async () => {
      const key = await stack.addKey(["predict:identity_*"]);
      assert.equal((await call("/v2/models/identity_fp32", { key })).status, 200);
      const body = await refused(await infer(seven, { key }), 403, "forbidden");
      assert.match(body.error, /predict:digits/);
    });

    test("x-api-key serves as well, but not two keys at once", async () => {
      const headers = { "x-api-key": stack.demoKey };
      assert.equal((await infer(seven, { key: null, headers })).status, 200);
      await refused(await infer(seven, { headers }), 401, "unauthenticated");
    });
  });

  describe("refuses with a stable code", () => {
    const wrong: readonly (readonly [what: string, body: string, code: string])[] = [
      ["a body that is not JSON", "{", "malformed_json"],
      ["a body without inputs", "{}", "invalid_request"],
      ["an input the model lacks", seven.replace("pixels", "Pixels"), "input_mismatch"],
      ["another width", seven.replace("[1, 64]", "[1, 63]"), "invalid_data"],
      ["another datatype", seven.replace("FP32", "FP64"), "input_mismatch"],
      ["a negative dimension", seven.replace("[1, 64]", "[-1, 64]"), "invalid_shape"],
      ["null among the data", seven.replace("[0,", "[null,"), "non_finite"],
      ["FP16 in JSON", seven.replace("FP32", "FP16"), "binary_required"],
      ["an output the model lacks", seven.replace(/\}$/, ',"outputs":[{"name":"nope"}]}'), "unknown_output"],
    ];
    for (const [what, body, code] of wrong) {
      test(`${what}: 400 ${code}`, async () => void (await refused(await infer(body), 400, code)));
    }

    test("an unknown model, in the words that clients look for", async () => {
      const reply = await call("/v2/models/no-such-model/infer", { method: "POST", body: seven });
      assert.match((await refused(reply, 404, "model_not_found")).error, /^Request for unknown model/);
    });

    test("an unknown version", async () => {
      const reply = await call("/v2/models/digits/versions/99/infer", { method: "POST", body: seven });
      await refused(reply, 404, "version_not_found");
    });

    test("what is not there, also with a body that cannot be read", async () => {
      const asked = (path: string) => call(`/v2/models/${path}/infer`, { method: "POST", body: "{}" });
      await refused(await asked("no-such-model"), 404, "model_not_found");
      await refused(await asked("digits/versions/99"), 404, "version_not_found");
      await refused(await asked("digits"), 400, "invalid_request");
    });

    for (const name of ["..%2f..%2fetc%2fpasswd", "a%00b", ".hidden", `${"x".repeat(65)}`]) {
      test(`the model name ${name}`, async () => {
        await refused(
          await call(`/v2/models/${name}/infer`, { method: "POST", body: seven }),
          400,
          "invalid_model_name",
        );
      });
    }

    test("a path that does not exist, and a method that the path does not take", async () => {
      await refused(await call("/v2/nothing"), 404, "not_found");
      const reply = await call("/v2/models/digits/infer");
      assert.equal(reply.headers.get("allow"), "POST");
      await refused(reply, 405, "method_not_allowed");
    });

    test("content types and encodings it cannot read", async () => {
      await refused(await infer(seven, { headers: { "content-type": "text/html" } }), 415, "unsupported_media_type");
      await refused(await infer(seven, { headers: { "content-encoding": "br" } }), 415, "unsupported_encoding");
      await refused(await infer(seven, { headers: { "content-encoding": "gzip" } }), 400, "invalid_data");
    });

    test("a time budget that is no whole number, and one that cannot be kept", async () => {
      await refused(await infer(seven, { headers: { "x-warmgate-timeout-ms": "soon" } }), 400, "invalid_request");
      await refused(await infer(seven, { headers: { "x-warmgate-timeout-ms": "0" } }), 400, "invalid_request");
    });

    test("a body over the cap, also one that unpacks to more", async () => {
      const bomb = Uint8Array.from(gzipSync(Buffer.alloc(20 * 1024 * 1024, 32)));
      await refused(await infer(bomb, { headers: { "content-encoding": "gzip" } }), 413, "body_too_large");
    });

    test("a body that is declared too large, without reading it", async () => {
      const { hostname, port } = new URL(stack.edgeUrl);
      const socket = connect(Number(port), hostname);
      socket.write(
        `POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${stack.demoKey}\r\ncontent-length: 99999999\r\n\r\n{`,
      );
      const [first] = await new Promise<[Buffer]>((resolve) => socket.once("data", (chunk) => resolve([chunk])));
      socket.destroy();
      assert.match(first.toString(), /^HTTP\/1\.1 413 [\s\S]*body_too_large/);
    });
  });

  test("every route that runs is documented, with an operation for each method", async () => {
    const document: unknown = await (await call("/openapi.json", { key: null })).json();
    const { paths } = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) }).parse(document);
    for (const [path, method] of [
      ["/v2/models/{model}/infer", "post"],
      ["/v2/models/{model}/versions/{version}/infer", "post"],
      ["/v2/models/{model}", "get"],
      ["/v2/health/ready", "get"],
      ["/healthz", "get"],
    ] as const) {
      assert.ok(paths[path]?.[method], `${method} ${path} is not documented`);
    }
  });

  test("the documentation loads nothing from another host", async () => {
    for (const page of ["/docs", "/docs/errors", "/docs/errors/overloaded"]) {
      const reply = await call(page, { key: null });
      assert.equal(reply.status, 200);
      assert.match(reply.headers.get("content-security-policy") ?? "", /default-src 'none'; script-src 'self'/);
      assert.doesNotMatch(await reply.text(), /(?:src|href)="(?:https?:)?\/\//);
    }
    for (const file of ["/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/start.js"]) {
      const reply = await call(file, { key: null });
      assert.equal(reply.status, 200);
      assert.ok((await reply.text()).length > 100);
    }
  });

  test("health is open to probes and says the truth", async () => {
    for (const path of ["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/v2", "/v2/"]) {
      assert.equal((await call(path, { key: null })).status, 200, path);
    }
  });

  test("the log has one line a request and neither keys nor inputs", async () => {
    const canary = "canary-7391";
    const body = JSON.stringify({
      inputs: [{ name: "INPUT0", shape: [1, 16], datatype: "BYTES", data: Array(16).fill(canary) }],
    });
    const requestId = `log-${Date.now()}`;
    const reply = await call("/v2/models/simple_identity/infer?token=canary-7391", {
      method: "POST",
      body,
      headers: { "x-request-id": requestId },
    });
    assert.equal(reply.status, 200);
    await until("the log line", () => stack.edgeLog().includes(requestId));
    const log = stack.edgeLog();
    const lines = log.split("\n").filter((line) => line.includes(requestId));
    assert.equal(lines.length, 1);
    const entry = JSON.parse(lines[0]!);
    assert.equal(entry.status, 200);
    assert.equal(entry.tenant, "demo");
    assert.equal(entry.route, "/v2/models/{model}/infer");
    assert.ok(!log.includes(canary), "an input is in the log");
    assert.ok(!log.includes(stack.demoKey.split("_")[3]!), "a secret is in the log");
  });
});
