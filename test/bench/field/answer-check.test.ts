import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { faultOf } from "./answer-check.ts";

const expected = Float32Array.of(1, -2, 100);

describe("the check of an answer", () => {
  test("takes the outputs in an object or as the list itself", () => {
    assert.equal(faultOf('{"outputs":[{"name":"output","data":[1,-2,100]}]}', expected), undefined);
    assert.equal(faultOf('[{"data":[1,-2,100.00001]}]', expected), undefined);
  });

  test("refuses another value, another length, and what is no answer", () => {
    assert.match(faultOf('{"outputs":[{"data":[1,2,100]}]}', expected) ?? "", /value 1/);
    assert.match(faultOf('{"outputs":[{"data":[1,-2]}]}', expected) ?? "", /2 values instead of 3/);
    for (const body of ["", "ok", "{}", '{"outputs":[]}', '{"outputs":[{"data":[null,1,2]}]}'])
      assert.match(faultOf(body, expected) ?? "", /not an inference answer/, body);
  });
});
