import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { HeldBytes } from "./held-bytes.ts";

describe("bytes that an isolate holds", () => {
  test("are never more than the most, but for one body alone; all of them are given back", () => {
    const step = fc.record({ request: fc.nat(4), bytes: fc.nat(60), ends: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const bytes = new HeldBytes(100);
        const holds = Array.from({ length: 5 }, () => ({ hold: bytes.hold(), own: 0 }));
        for (const { request, bytes: more, ends } of steps) {
          const one = holds[request];
          assert.ok(one);
          try {
            one.hold.grow(more);
            one.own += more;
          } catch (error) {
            assert.ok(error instanceof WarmgateError && error.code === "overloaded");
          }
          if (ends) {
            one.hold.release();
            holds[request] = { hold: bytes.hold(), own: 0 };
          }
          const own = holds.map((each) => each.own);
          assert.equal(
            bytes.held,
            own.reduce((sum, each) => sum + each, 0),
          );
          assert.ok(bytes.held <= 100 || Math.max(...own) === bytes.held);
        }
        for (const { hold } of holds) hold.release();
        assert.equal(bytes.held, 0);
      }),
    );
  });

  test("are not added to by who reads on for a request that was answered", () => {
    const bytes = new HeldBytes(100);
    const hold = bytes.hold();
    hold.release();
    assert.throws(() => hold.grow(1), /is over/);
    assert.equal(bytes.held, 0);
  });

  test("of a body that is alone may be as many as its cap allows", () => {
    const bytes = new HeldBytes(100);
    const alone = bytes.hold();
    alone.grow(1_000);
    assert.throws(() => bytes.hold().grow(1), /as much data/);
    alone.release();
    bytes.hold().grow(1);
  });
});
