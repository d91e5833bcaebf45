/** The suite itself is tested on servers that are wrong in simple ways: nothing but honest work may satisfy it. */
import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { before, describe, test } from "node:test";
import { ALL_RULES } from "./all-rules.ts";
import { judgeAll, type Verdict } from "./judge.ts";
import { Target } from "./target.ts";

const EXTENSIONS = ["binary_tensor_data", "model_configuration", "statistics", "schedule_policy"];
const IDENTITY = /^identity_(bool|u?int(8|16|32|64)|fp(16|32|64)|bf16|string)$/;

/** True metadata for every model that the suite asks for. */
function metadataOf(name: string): unknown {
  const tensor = (tensorName: string, datatype: string, shape: number[]): unknown => ({
    name: tensorName,
    datatype,
    shape,
  });
  const kind = IDENTITY.exec(name)?.[1];
  if (kind !== undefined) {
    const datatype = kind === "string" ? "BYTES" : kind.toUpperCase();
    const [input, output] = ["INPUT0", "OUTPUT0"].map((one) => tensor(one, datatype, [-1, -1]));
    return { name, versions: ["1"], platform: "test_test", inputs: [input], outputs: [output] };
  }
  const datatype = name === "simple" ? "INT32" : "BYTES";
  const pair = (prefix: string): unknown[] => [0, 1].map((index) => tensor(`${prefix}${index}`, datatype, [-1, 16]));
  return { name, versions: ["1"], platform: "test_test", inputs: pair("INPUT"), outputs: pair("OUTPUT") };
}

/** Knows its models, and says the same thing to every other request. */
function monotonous(status: number, body: string): http.Server {
  return http.createServer((request, response) => {
    request.resume();
    const name = /^\/v2\/models\/(simple|simple_string|identity_\w+)$/.exec(request.url ?? "")?.[1];
    const known = request.method === "GET" && name !== undefined;
    request.on("end", () => {
      response.writeHead(known ? 200 : status, { "content-type": "application/json" });
      response.end(known ? JSON.stringify(metadataOf(name)) : body);
    });
  });
}

async function verdictsOn(server: http.Server): Promise<readonly Verdict[]> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const target = new Target({
    url: `http://127.0.0.1:${port}`,
    headers: {},
    simple: "simple",
    simpleString: "simple_string",
    identityPrefix: "identity_",
    timeoutMs: 5_000,
  });
  const rules = ALL_RULES.filter(({ id }) => !/^(limits|repository)\//.test(id));
  const verdicts = await judgeAll(rules, target, { profile: "warmgate", extensions: new Set(EXTENSIONS) }, () => {});
  server.closeAllConnections();
  server.close();
  return verdicts;
}

function passed(verdicts: readonly Verdict[], pattern: RegExp): string[] {
  return verdicts.filter(({ outcome, rule }) => outcome === "pass" && pattern.test(rule.id)).map(({ rule }) => rule.id);
}

describe("a server that accepts everything and computes nothing", () => {
  let verdicts: readonly Verdict[] = [];
  before(async () => {
    verdicts = await verdictsOn(monotonous(200, '{"model_name":"simple","model_version":"1","outputs":[]}'));
  });

  test("passes no rule of inference", () => assert.deepEqual(passed(verdicts, /^(infer-|raw-binary)/), []));
  test("passes no rule of a datatype", () => assert.deepEqual(passed(verdicts, /^datatypes/), []));
  test("passes no rule about refusals", () =>
    assert.deepEqual(
      passed(verdicts, /^(errors|binary-errors)/).filter((id) => id !== "errors/nothing-inside"),
      [],
    ));
  test("passes no rule of schedule policy, statistics, configuration or codes", () =>
    assert.deepEqual(passed(verdicts, /^(schedule-policy|statistics|config|warmgate\/code)/), []));
});

describe("a server that refuses everything", () => {
  let verdicts: readonly Verdict[] = [];
  before(async () => {
    verdicts = await verdictsOn(monotonous(400, '{"error":"no"}'));
  });

  test("passes no rule of inference", () => assert.deepEqual(passed(verdicts, /^infer-/), []));
  test("passes no rule of health but those of unknown models", () =>
    assert.deepEqual(passed(verdicts, /^health/), [
      "health/unknown-model",
      "health/unknown-version",
      "health/not-ready-error",
    ]));
  test("passes no rule of a round trip", () =>
    assert.deepEqual(passed(verdicts, /^datatypes\/(json|binary)-|^raw-binary\/(row|longer-row|chunked)/), []));
  test("does not keep serving", () => assert.deepEqual(passed(verdicts, /still-serving/), []));
});

describe("a server that fails without a word", () => {
  test("passes no rule that asks for an error object", async () => {
    const verdicts = await verdictsOn(monotonous(500, ""));
    const silent = /^(errors|binary-errors)\/(?!.*(4xx|40\d|nothing-inside))/;
    assert.deepEqual(passed(verdicts, silent), []);
  });
});
