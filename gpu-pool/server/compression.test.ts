import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, inflateSync } from "node:zlib";
import { compressReply } from "./compression.ts";

const LONG = { status: 200, body: "a long answer ".repeat(200), headers: { allow: "GET" }, headerLength: 17 };

test("a reply is compressed the way the caller accepts it, and can be read again", async () => {
  const gzip = await compressReply(LONG, "gzip");
  assert.equal(gunzipSync(gzip.body).toString(), LONG.body);
  assert.equal(gzip.headers?.["content-encoding"], "gzip");
  const deflate = await compressReply(LONG, "deflate");
  assert.equal(inflateSync(deflate.body).toString(), LONG.body);
  assert.equal(deflate.headers?.["content-encoding"], "deflate");
});

test("what else the reply says stays: the length of the JSON part is that before compression", async () => {
  const { status, headers, headerLength } = await compressReply(LONG, "gzip");
  assert.deepEqual(
    { status, headerLength, allow: headers?.allow, vary: headers?.vary },
    { status: 200, headerLength: 17, allow: "GET", vary: "accept-encoding" },
  );
});

test("a caller that accepts neither, or refuses both, gets the reply as it is", async () => {
  for (const accepted of ["", "identity", "br", "gzip;q=0", "gzip; q=0.0, deflate;q=0", "xgzip"]) {
    assert.equal(await compressReply(LONG, accepted), LONG, accepted);
  }
});

test("a weight above 0 is an acceptance, whatever the case and the spaces", async () => {
  for (const accepted of ["GZIP", " br , gzip ;q=0.1", "deflate;q=0, gzip;q=1.0"]) {
    assert.equal((await compressReply(LONG, accepted)).headers?.["content-encoding"], "gzip", accepted);
  }
});

test("a short reply is not worth it", async () => {
  const short = { status: 200, body: "{}" };
  assert.equal(await compressReply(short, "gzip"), short);
});
