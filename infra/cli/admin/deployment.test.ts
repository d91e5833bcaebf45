import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { UsageError } from "../usage-error.ts";
import { checkedOrigin, chooseDeployment } from "./deployment.ts";
import { Unreachable } from "./failure.ts";
import { ADMIN_KEY } from "./scripted-api.ts";

const LOCAL_KEY = "wg_local_key_of_this_machine";
const state = mkdtempSync(join(tmpdir(), "warmgate-cli-"));
after(() => rmSync(state, { recursive: true }));
writeFileSync(join(state, "run.json"), JSON.stringify({ edge: { url: "http://127.0.0.1:8787" }, pids: {} }));
writeFileSync(join(state, "admin-key"), `${LOCAL_KEY}\n`);

const NEITHER = { url: undefined, state: undefined };
const REMOTE = { WARMGATE_URL: "https://warmgate.example.com", WARMGATE_ADMIN_KEY: ADMIN_KEY };

describe("chooseDeployment", () => {
  test("finds the stack of this machine by itself, with its key", () => {
    const { origin, key } = chooseDeployment(NEITHER, { WARMGATE_ADMIN_KEY: ADMIN_KEY }, state);
    assert.deepEqual({ origin, key }, { origin: "http://127.0.0.1:8787", key: LOCAL_KEY });
  });

  test("takes URL and key of the environment", () => {
    const { origin, key } = chooseDeployment(NEITHER, REMOTE, state);
    assert.deepEqual({ origin, key }, { origin: "https://warmgate.example.com", key: ADMIN_KEY });
  });

  test("prefers what was typed to the environment", () => {
    const url = "https://other.example.com/";
    assert.equal(chooseDeployment({ url, state: undefined }, REMOTE, state).origin, "https://other.example.com");
    assert.equal(chooseDeployment({ url: undefined, state }, REMOTE, "/nonexistent").key, LOCAL_KEY);
  });

  test("never sends this machine's key to a URL that was named", () => {
    for (const url of ["https://warmgate.example.com", "http://127.0.0.1:8787"]) {
      assert.throws(() => chooseDeployment({ url, state: undefined }, {}, state), /WARMGATE_ADMIN_KEY/);
    }
  });

  test("refuses a key that is cut off, without repeating it", () => {
    const cut = ADMIN_KEY.slice(0, -1);
    for (const WARMGATE_ADMIN_KEY of [cut, "two words", "line\nbreak", "é"]) {
      assert.throws(
        () => chooseDeployment(NEITHER, { ...REMOTE, WARMGATE_ADMIN_KEY }, state),
        (error) => error instanceof UsageError && !error.message.includes(WARMGATE_ADMIN_KEY),
      );
    }
  });

  test("takes a token in place of a key", () => {
    assert.equal(
      chooseDeployment(NEITHER, { ...REMOTE, WARMGATE_ADMIN_KEY: "eyJh.eyJp.c2ln" }, state).key,
      "eyJh.eyJp.c2ln",
    );
  });

  test("says so when no stack runs, and makes no folder", () => {
    assert.throws(
      () => chooseDeployment(NEITHER, {}, join(state, "none")),
      (error) => error instanceof Unreachable && /npm start/.test(error.message) && !error.message.includes(state),
    );
  });

  test("refuses a URL and a state folder together", () => {
    assert.throws(() => chooseDeployment({ url: "https://a.example.com", state }, {}, state), UsageError);
  });
});

describe("checkedOrigin", () => {
  test("allows plain HTTP on this machine only", () => {
    for (const host of ["localhost:8787", "127.0.0.1:8787", "127.8.8.8", "[::1]:8787"]) {
      assert.equal(checkedOrigin(`http://${host}`, "--url"), `http://${host}`);
    }
    for (const host of [
      "warmgate.example.com",
      "10.0.0.1",
      "127.0.0.1.example.com",
      "localhost.example.com",
      "[::2]",
      "128.0.0.1",
    ]) {
      assert.throws(() => checkedOrigin(`http://${host}`, "--url"), /plain HTTP/, host);
    }
  });

  test("refuses what is no address of a deployment", () => {
    for (const text of [
      "",
      "warmgate.example.com",
      "ftp://a.example.com",
      "https://a.example.com/admin/v1",
      "https://a.example.com/?b",
    ]) {
      assert.throws(() => checkedOrigin(text, "--url"), UsageError, text);
    }
  });

  test("does not repeat a password in a URL", () => {
    assert.throws(
      () => checkedOrigin("https://user:hunter2@a.example.com", "--url"),
      (error) => error instanceof UsageError && !error.message.includes("hunter2"),
    );
  });
});
