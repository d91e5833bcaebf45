import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { WarmgateError } from "./errors.ts";
import { priorityClass } from "./priority.ts";

describe("the parameter priority", () => {
  test("1 is the highest class and 4 the lowest; 0, nothing and what does not exist are the default", () => {
    const classes = [undefined, 0, 1, 2, 3, 4, 5, 1_000_000].map((priority) =>
      priorityClass(priority === undefined ? {} : { priority }),
    );
    const { length } = classes;
    assert.deepEqual(classes.slice(0, 6), ["default", "default", "critical", "default", "sheddable", "batch"]);
    assert.deepEqual(classes.slice(6, length), ["default", "default"]);
  });

  for (const priority of [-1, 1.5, "1", true, 2 ** 60]) {
    test(`${JSON.stringify(priority)} is refused`, () => {
      assert.throws(
        () => priorityClass({ priority }),
        (error) => error instanceof WarmgateError && error.code === "invalid_request",
      );
    });
  }
});
