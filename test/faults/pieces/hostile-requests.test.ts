import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HostileRequests } from "./hostile-requests.ts";

const MANY = 3_000;

function drawn(seed: number, count = MANY) {
  const hostile = new HostileRequests(seed, { authorization: "Bearer key" });
  return Array.from({ length: count }, () => hostile.next());
}

describe("hostile requests", () => {
  test("are the same for the same seed, and others for another one", () => {
    const texts = (seed: number) => drawn(seed, 200).map(({ bytes }) => bytes.toString("latin1"));
    assert.deepEqual(texts(7), texts(7));
    assert.notDeepEqual(texts(7), texts(8));
  });

  test("are hardly ever alike, and each is said to be changed in a way of its own", () => {
    const requests = drawn(1);
    assert.ok(new Set(requests.map(({ bytes }) => bytes.toString("latin1"))).size > MANY / 4);
    assert.ok(new Set(requests.map(({ why }) => why)).size > 40);
  });

  test("begin as requests to a model, of text, of numbers and in JSON, each of them", () => {
    const texts = drawn(2).map(({ bytes }) => bytes.toString("latin1"));
    for (const part of [
      "POST /v2/models/identity_string/infer",
      "POST /v2/models/identity_fp32/infer",
      "application/json",
    ]) {
      assert.ok(texts.filter((text) => text.includes(part)).length > MANY / 20, part);
    }
  });
});
