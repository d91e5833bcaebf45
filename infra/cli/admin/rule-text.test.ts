import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PRIORITY_CLASSES } from "../../../shared/protocol/priority.ts";
import { UsageError } from "../usage-error.ts";
import { conditionsText, parseRules } from "./rule-text.ts";

const name = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
const some = (item: fc.Arbitrary<string>) =>
  fc.option(fc.array(item, { minLength: 1, maxLength: 4 }), { nil: undefined });

test("a rule that is shown can be given again", () => {
  const when = fc
    .record({ tenants: some(name), plans: some(name), priorities: some(fc.constantFrom(...PRIORITY_CLASSES)) })
    .map((conditions) => Object.fromEntries(Object.entries(conditions).filter(([, values]) => values !== undefined)))
    .filter((conditions) => Object.keys(conditions).length > 0);
  const rule = fc
    .tuple(when, fc.integer({ min: 1, max: 999 }), fc.option(name))
    .map(([conditions, version, hardware]) => ({ when: conditions, version: String(version), hardware }));
  fc.assert(
    fc.property(rule, (given) => {
      const text = `${conditionsText(given)}:${given.version}${given.hardware === null ? "" : `@${given.hardware}`}`;
      assert.deepEqual(parseRules([text]), [given]);
    }),
  );
});

test("whatever is given as a rule is understood or refused as wrong usage", () => {
  const text = fc.oneof(
    fc.string(),
    fc
      .array(fc.constantFrom("tenant=", "plan=", "acme", ",", ":", "2", "@", "cpu", "__proto__=", "toString="))
      .map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(text, (given) => {
      try {
        const [rule] = parseRules([given]);
        assert.ok(rule && Object.keys(rule.when).length > 0);
      } catch (error) {
        assert.ok(error instanceof UsageError, String(error));
      }
    }),
  );
});
