import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { UsageError } from "../usage-error.ts";
import { type Options, parseOptions } from "./options.ts";

const OPTIONS: Options<"rate" | "scope" | "json"> = {
  rate: { value: "<n>/s", about: "units a second" },
  scope: { value: "<scope>", repeatable: true, about: "what a key may do" },
  json: { about: "for programs" },
};

function refusal(args: readonly string[]): string {
  try {
    parseOptions(args, OPTIONS);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return "nothing was wrong";
}

test("options may stand before, between and behind the words", () => {
  const { operands, given } = parseOptions(
    ["--json", "acme", "--rate=5/s", "key", "--scope", "a", "--scope", "b"],
    OPTIONS,
  );
  assert.deepEqual(operands, ["acme", "key"]);
  assert.equal(given.has("json"), true);
  assert.equal(given.one("rate"), "5/s");
  assert.deepEqual(given.all("scope"), ["a", "b"]);
});

test("what was not given is not there", () => {
  const { given } = parseOptions([], OPTIONS);
  assert.deepEqual([given.has("json"), given.one("rate"), given.all("scope")], [false, undefined, []]);
});

test("an unknown option is answered with the one that was meant, and with all", () => {
  assert.match(refusal(["--rat", "5/s"]), /no option --rat\. Did you mean --rate\?\nOptions: --rate, --scope, --json/);
  assert.doesNotMatch(refusal(["--colour"]), /Did you mean/);
  assert.match(refusal(["-r"]), /no option -r/);
  assert.match(refusal(["--no-json"]), /no option --no-json/);
});

test("the next option is not taken for a value", () => {
  assert.equal(refusal(["--rate", "--json"]), "--rate needs a value: --rate <n>/s");
  assert.equal(refusal(["--rate"]), "--rate needs a value: --rate <n>/s");
  assert.equal(refusal(["--rate="]), "--rate needs a value: --rate <n>/s");
});

test("a - alone is a value", () => {
  assert.equal(parseOptions(["--rate", "-"], OPTIONS).given.one("rate"), "-");
});

test("a flag takes no value", () => {
  assert.equal(refusal(["--json=yes"]), "--json takes no value.");
});

test("what may come once is refused twice", () => {
  assert.equal(refusal(["--rate", "1/s", "--rate", "2/s"]), "--rate is given twice.");
});

test("whatever is typed is understood or refused as wrong usage", () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom("--rate", "--rate=1/s", "--json", "--", "-", "--scope", "--__proto__"),
  );
  fc.assert(fc.property(fc.array(word), (args) => typeof refusal(args) === "string"));
});
