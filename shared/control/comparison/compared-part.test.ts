import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { comparedPart, MOST_ELEMENTS } from "./compared-part.ts";

describe("the part that is compared", () => {
  test("is the whole tensor as long as that is small", () => {
    assert.deepEqual(comparedPart([]), { rows: 1, elementsPerRow: 1, lastAxis: 1 });
    assert.deepEqual(comparedPart([7]), { rows: 7, elementsPerRow: 1, lastAxis: 1 });
    assert.deepEqual(comparedPart([2, 3, 4]), { rows: 2, elementsPerRow: 12, lastAxis: 4 });
    assert.deepEqual(comparedPart([0, 5]), { rows: 0, elementsPerRow: 5, lastAxis: 5 });
    assert.deepEqual(comparedPart([2, 3, 0]), { rows: 2, elementsPerRow: 0, lastAxis: 0 });
    assert.deepEqual(comparedPart([MOST_ELEMENTS / 1000, 1000]).rows, MOST_ELEMENTS / 1000);
  });

  test("is never more than the bound, in rows and in elements, and always whole along the last axis", () => {
    const size = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 3e6 }));
    fc.assert(
      fc.property(fc.array(size, { maxLength: 5 }), (shape) => {
        const { rows, elementsPerRow, lastAxis } = comparedPart(shape);
        assert.ok(rows <= MOST_ELEMENTS && rows * elementsPerRow <= MOST_ELEMENTS, `${rows} of ${elementsPerRow}`);
        assert.ok(rows * elementsPerRow <= shape.reduce((product, dimension) => product * dimension, 1));
        assert.equal(lastAxis === 0 ? elementsPerRow : elementsPerRow % lastAxis, 0);
        // As many rows as fit, and one where none would.
        assert.ok(
          rows === (shape[0] ?? 1) ||
            rows === 1 ||
            (rows + 1) * elementsPerRow > MOST_ELEMENTS ||
            rows === MOST_ELEMENTS,
        );
      }),
    );
  });

  test("a row beyond the bound is stood for by its first elements", () => {
    assert.deepEqual(comparedPart([2, 3, 400_000]), { rows: 1, elementsPerRow: 800_000, lastAxis: 400_000 });
    const whole = { rows: 1, elementsPerRow: MOST_ELEMENTS, lastAxis: MOST_ELEMENTS };
    assert.deepEqual(comparedPart([1, MOST_ELEMENTS + 1]), whole);
  });
});
