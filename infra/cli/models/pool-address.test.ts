import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { choosePool } from "./pool-address.ts";

const SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA";
const KEYS = `first:${SECRET},second:${SECRET}`;
const NONE = { url: undefined, keysFile: undefined, state: undefined };

describe("which pool", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-pool-address-"));
  after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "run.json"), JSON.stringify({ pool: { url: "http://127.0.0.1:8000", auth: "signed" } }));
  writeFileSync(join(folder, "secrets.json"), JSON.stringify({ poolSigningKeys: KEYS, apiKeyPepper: "pepper" }));
  const keysFile = join(folder, "keys");
  writeFileSync(keysFile, `${KEYS}\n`);

  test("that of this machine's stack is found with its key", () => {
    const { origin, key } = choosePool(NONE, {}, folder);
    assert.deepEqual([origin, key?.id], ["http://127.0.0.1:8000", "first"]);
  });

  test("the stack's key goes to no pool that was named", () => {
    const { origin, key } = choosePool({ ...NONE, url: "http://10.0.0.1:8000" }, {}, folder);
    assert.deepEqual([origin, key], ["http://10.0.0.1:8000", undefined]);
  });

  test("a pool that was named is asked with the keys of the environment or of a file", () => {
    const url = "https://pool.example.com";
    const variables = { POOL_SIGNING_KEYS: `other:${SECRET}` };
    assert.equal(choosePool({ ...NONE, url }, variables, folder).key?.id, "other");
    assert.equal(choosePool({ ...NONE, url, keysFile }, variables, folder).key?.id, "first");
  });

  test("what cannot be right is said without the secret", () => {
    const named = { ...NONE, url: "http://10.0.0.1:8000" };
    const saying = (text: RegExp) => (error: Error) => text.test(error.message) && !error.message.includes(SECRET);
    const choose = (choice: Parameters<typeof choosePool>[0], keys = KEYS) =>
      choosePool(choice, { POOL_SIGNING_KEYS: keys }, folder);
    assert.throws(() => choose(named, `${SECRET}:short`), saying(/POOL_SIGNING_KEYS: a signing key must be written/));
    assert.throws(() => choose(named, `${SECRET}:*`), saying(/POOL_SIGNING_KEYS: /));
    assert.throws(
      () => choose({ ...NONE, url: "http://10.0.0.1:8000/v2" }),
      saying(/--url is the pool's scheme, host/),
    );
    assert.throws(() => choose({ ...named, state: folder }), saying(/not both/));
    assert.throws(() => choose({ ...NONE, keysFile }), saying(/--keys-file is for the pool that --url names/));
    assert.throws(() => choose({ ...named, keysFile: join(folder, "none") }), saying(/cannot be read/));
  });
});
