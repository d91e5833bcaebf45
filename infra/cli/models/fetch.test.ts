import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { manifestOf, publish, ScriptedServer } from "../../../gpu-pool/repository/sources/scripted-server.ts";
import { typedAt } from "../admin/scripted-api.ts";
import { models } from "./models.ts";

describe("models fetch", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-fetch-"));
  const offered = { digits: { 1: { "model.onnx": Buffer.alloc(100_000, "digits") } } };
  let server: ScriptedServer;
  before(async () => {
    server = await ScriptedServer.start();
    publish(server, "/prod/", offered);
    server.files.set("/prod/warmgate-models.json", manifestOf(offered));
  });
  after(() => {
    server.stop();
    rmSync(folder, { recursive: true });
  });
  const fetch = async (...args: string[]) => {
    const shown: (string | undefined)[] = [];
    const terminal = { ...typedAt(undefined), progress: (text: string | undefined) => void shown.push(text) };
    const code = await models(["fetch", ...args], terminal);
    return { code, shown, printed: terminal.printed.join("\n"), noted: terminal.noted.join("\n") };
  };

  test("brings what there is, shows how far it is, and brings nothing twice", async () => {
    const place = join(folder, "whole");
    const first = await fetch(`${server.origin}/prod/`, place);
    assert.equal(first.code, 0);
    assert.match(first.printed, /^New or changed: digits\. In .*whole: digits\.$/);
    assert.ok(first.shown.includes("100%, 0.1 MiB of 0.1 MiB: digits"));
    assert.equal(first.shown.at(-1), undefined);
    assert.ok(readFileSync(join(place, "digits", "1", "model.onnx")).equals(offered.digits[1]["model.onnx"]));
    assert.match((await fetch(`${server.origin}/prod/`, place)).printed, /^Nothing is new\. /);
  });

  test("what cannot be brought is named with its reason, and the exit code says so", async () => {
    server.fault("/prod/digits/1/model.onnx", (_, response) => void response.writeHead(403).end());
    const { code, printed } = await fetch(`${server.origin}/prod/`, join(folder, "failing"), "--json");
    assert.equal(code, 1);
    const [failure] = JSON.parse(printed).failures;
    assert.deepEqual([failure.model, failure.version, failure.reason], ["digits", "1", "refused"]);
  });

  test("a source without models, and an address that is none, are told apart", async () => {
    const refused = await fetch(`${server.origin}/none/`, join(folder, "none"));
    assert.equal(refused.code, 1);
    assert.match(refused.noted, /^warmgate models fetch: .+\([a-z_]+\)$/m);
    await assert.rejects(fetch("models", join(folder, "folder")), /<url> is https/);
    await assert.rejects(fetch("https://user:secret@example.com/", join(folder, "user")), (error: Error) => {
      return /must hold no credentials/.test(error.message) && !error.message.includes("secret");
    });
  });
});
