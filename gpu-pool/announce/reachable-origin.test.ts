import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { reachableOrigin } from "./reachable-origin.ts";

describe("where a process that listens is reached", () => {
  test("at its host and port, names and both kinds of addresses", () => {
    assert.equal(reachableOrigin("127.0.0.1", 8000), "http://127.0.0.1:8000");
    assert.equal(reachableOrigin("gpu-3.example.com", 8000), "http://gpu-3.example.com:8000");
    assert.equal(reachableOrigin("::1", 8000), "http://[::1]:8000");
  });

  test("nowhere that could be told, on a wildcard in any spelling or what is no host", () => {
    for (const host of ["0.0.0.0", "0", "::", "0:0:0:0:0:0:0:0", "", "fe80::1%eth0", "a b"]) {
      assert.equal(reachableOrigin(host, 8000), undefined, host);
    }
  });
});
