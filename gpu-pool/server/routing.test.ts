import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { isModelName } from "../../shared/protocol/model-name.ts";
import { MethodNotAllowed, matchRoute } from "./routing.ts";

const codeOf = (method: string, target: string): string => {
  try {
    matchRoute(method, target);
    return "none";
  } catch (error) {
    assert.ok(error instanceof WarmgateError, String(error));
    return error.code;
  }
};

describe("routing", () => {
  test("every path of the protocol leads where it should", () => {
    const paths: [string, string, object][] = [
      ["GET", "/v2", { to: "server_metadata" }],
      ["GET", "/v2/", { to: "server_metadata" }],
      ["GET", "/v2/health/live", { to: "server_live" }],
      ["GET", "/v2/health/ready", { to: "server_ready" }],
      ["GET", "/v2/models/stats", { to: "all_statistics" }],
      ["GET", "/v2/models/m", { to: "model_metadata", model: "m", version: undefined }],
      ["GET", "/v2/models/m/versions/3", { to: "model_metadata", model: "m", version: "3" }],
      ["GET", "/v2/models/m/ready", { to: "model_ready", model: "m", version: undefined }],
      ["GET", "/v2/models/m/versions/3/config", { to: "model_config", model: "m", version: "3" }],
      ["GET", "/v2/models/m/stats", { to: "model_statistics", model: "m", version: undefined }],
      ["POST", "/v2/models/m/infer", { to: "infer", model: "m", version: undefined }],
      ["POST", "/v2/models/m/versions/3/infer", { to: "infer", model: "m", version: "3" }],
      ["POST", "/v2/repository/index", { to: "repository_index" }],
      ["POST", "/v2/repository/local/index", { to: "repository_index" }],
      ["POST", "/v2/repository/models/m/load", { to: "repository_load", model: "m" }],
      ["POST", "/v2/repository/models/m/unload", { to: "repository_unload", model: "m" }],
    ];
    for (const [method, path, route] of paths) assert.deepEqual(matchRoute(method, path), route, path);
  });

  test("HEAD goes where GET goes, and a query changes nothing", () => {
    assert.deepEqual(matchRoute("HEAD", "/v2/models/m?a=/v2/models/x/infer#f"), matchRoute("GET", "/v2/models/m"));
  });

  test("a name in percent-encoding is the same name", () => {
    assert.deepEqual(matchRoute("GET", "/v2/models/%6d%2D1"), matchRoute("GET", "/v2/models/m-1"));
  });

  test("a name that could be a path, hidden or plain, is refused", () => {
    for (const name of ["..", "%2e%2e", "a%2fb", "a%5cb", "a%00", "%", "%zz", "%c3%28", "a..b", ".hidden", "a%20b"]) {
      assert.equal(codeOf("GET", `/v2/models/${name}`), "invalid_model_name", name);
      assert.equal(codeOf("POST", `/v2/repository/models/${name}/load`), "invalid_model_name", name);
    }
  });

  test("a version that is no whole number from 1 is refused", () => {
    for (const version of ["0", "01", "-1", "1.0", "latest", "9999999999", "%31%00"]) {
      assert.equal(codeOf("GET", `/v2/models/m/versions/${version}`), "invalid_model_name", version);
    }
  });

  test("paths that do not exist are not found, near misses included", () => {
    for (const path of [
      "/",
      "",
      "*",
      "/v1",
      "/V2",
      "//v2",
      "/v2/models",
      "/v2/models/",
      "/v2/models/m/",
      "/v2/health",
    ]) {
      assert.equal(codeOf("GET", path), "not_found", path);
    }
    for (const path of ["/v2/models/m/infer/x", "/v2/models/m/versions/1/versions/2/infer", "/v2/models/m/Infer"]) {
      assert.equal(codeOf("POST", path), "not_found", path);
    }
  });

  test("a wrong method is told the right one", () => {
    const allowed = (method: string, path: string) => {
      try {
        return matchRoute(method, path).to;
      } catch (error) {
        return error instanceof MethodNotAllowed ? error.allowed : error;
      }
    };
    assert.equal(allowed("GET", "/v2/models/m/infer"), "POST");
    assert.equal(allowed("HEAD", "/v2/repository/index"), "POST");
    for (const method of ["POST", "get", "TRACE", ""]) assert.equal(allowed(method, "/v2"), "GET, HEAD", method);
  });

  test("a URL beyond 2048 characters is refused whatever it says", () => {
    assert.equal(codeOf("GET", `/v2?${"a".repeat(2044)}`), "none");
    assert.equal(codeOf("GET", `/v2?${"a".repeat(2045)}`), "uri_too_long");
  });

  test("no target whatever gets past a WarmgateError, and what is routed has a model's name", () => {
    const piece = fc.constantFrom(
      "/",
      "v2",
      "models",
      "versions",
      "1",
      "infer",
      "..",
      "%2f",
      "%",
      "%00",
      "?",
      "repository",
    );
    const target = fc
      .array(fc.oneof(piece, piece, fc.string({ maxLength: 4 })), { maxLength: 12 })
      .map((all) => all.join(""));
    fc.assert(
      fc.property(fc.constantFrom("GET", "POST"), target, (method, text) => {
        try {
          const route = matchRoute(method, text);
          if ("model" in route) assert.ok(isModelName(route.model));
        } catch (error) {
          assert.ok(error instanceof WarmgateError, String(error));
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
