import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { plain, properties, table, timeText } from "./table.ts";

interface Row {
  readonly name: string;
  readonly count: string;
}
const COLUMNS = [
  { title: "NAME", cell: ({ name }: Row) => name },
  { title: "COUNT", numeric: true as const, cell: ({ count }: Row) => count },
];

describe("table", () => {
  test("puts text at the left and numbers at the right", () => {
    const text = table(COLUMNS, [
      { name: "a", count: "5" },
      { name: "longer", count: "1,000,000" },
    ]);
    assert.deepEqual(text.split("\n"), [
      "NAME        COUNT", //
      "a               5",
      "longer  1,000,000",
    ]);
  });

  test("shows a dash for what is not there", () => {
    assert.equal(table(COLUMNS, [{ name: "", count: "" }]), "NAME  COUNT\n-         -");
  });

  test("has one line a row, all with their last number in one column, whatever the cells hold", () => {
    const row = fc.record({ name: fc.string({ unit: "binary" }), count: fc.nat().map(String) });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1 }), (rows) => {
        const lines = table(COLUMNS, rows).split("\n");
        assert.equal(lines.length, rows.length + 1);
        assert.equal(new Set(lines.map((line) => [...line].length)).size, 1);
      }),
    );
  });

  test("has no spaces at the end of a line", () => {
    const columns = [
      { title: "A", cell: ({ count }: Row) => count },
      { title: "B", cell: ({ name }: Row) => name },
    ];
    const text = table(columns, [
      { name: "wide enough", count: "1" },
      { name: "x", count: "2" },
    ]);
    assert.doesNotMatch(text, / $/m);
  });
});

test("properties stand in two columns", () => {
  assert.equal(
    properties([
      ["id", "acme"],
      ["longer", ""],
    ]),
    "id      acme\nlonger  -",
  );
});

test("plain leaves nothing in that a terminal obeys", () => {
  assert.equal(plain("\u001b[2Jacme\r\u202e\u009b1m\n"), "\ufffd[2Jacme\ufffd\ufffd\ufffd1m\ufffd");
});

test("times are ISO 8601 in UTC, to the second", () => {
  assert.equal(timeText(Date.UTC(2027, 0, 31, 12, 5, 9, 250)), "2027-01-31T12:05:09Z");
});
