import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ResponseReader } from "./response-reader.ts";

const response = (status: number, body: string, field = "content-length: ") =>
  Buffer.from(`HTTP/1.1 ${status} X\r\nx-content-length: 99\r\n${field}${body.length}\r\nafter: 1\r\n\r\n${body}`);

describe("reading responses", () => {
  test("statuses and lengths may change from one response to the next", () => {
    const reader = new ResponseReader();
    const read = [response(200, "four"), response(503, "overloaded"), response(200, "")].map((all) => reader.read(all));
    assert.deepEqual(read, [200, 503, 200]);
  });

  test("a response may be cut anywhere", () => {
    const all = response(429, "a body\r\ncontent-length: 7\r\n");
    for (let cut = 1; cut < all.length; cut++) {
      const reader = new ResponseReader();
      reader.read(response(200, "before"));
      assert.equal(reader.read(all.subarray(0, cut)), undefined, `cut at ${cut}`);
      assert.equal(reader.read(all.subarray(cut)), 429, `cut at ${cut}`);
    }
  });

  test("a field that is spelled another way than before is still found", () => {
    const reader = new ResponseReader();
    assert.equal(reader.read(response(200, "one")), 200);
    assert.equal(reader.read(response(200, "three", "Content-Length:  ")), 200);
  });

  test("more than the answer that was asked for is an error, not a second answer", () => {
    const twice = Buffer.concat([response(200, "a"), response(200, "b")]);
    assert.throws(() => new ResponseReader().read(twice), /more than it was asked/);
  });
});
