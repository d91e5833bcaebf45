import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readModelJson } from "../../gpu-pool/repository/model-json.ts";
import { PROJECT, startTestStack } from "../support/stack.ts";

const readme = readFileSync(join(PROJECT, "README.md"), "utf8");

/** The fenced block of that language that has the text in it. */
function block(language: string, text: string): string {
  const blocks = [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
  const found = blocks.find(([, name, content]) => name === language && content?.includes(text));
  assert.ok(found?.[2], `README has no ${language} block with ${text}`);
  return found[2];
}

test("README's curl call reads the seven", async () => {
  const stack = await startTestStack(["gpu-pool/models"]);
  try {
    const command = block("sh", "curl -s")
      .replace("http://127.0.0.1:8787", stack.edgeUrl)
      .replace(".warmgate/demo-key", join(stack.stateFolder, "demo-key"));
    const answer = execFileSync("sh", ["-c", command], { encoding: "utf8", cwd: PROJECT });
    assert.match(answer, /"name":"label","datatype":"INT64","shape":\[1\],"data":\[7\]/);
  } finally {
    await stack.stop();
  }
});

test("README's commands show, inspect, check and compare models, and read a picture", async () => {
  const stack = await startTestStack(["gpu-pool/models"]);
  try {
    const warmgate = `warmgate() { node infra/cli/warmgate.mjs "$@"; }`;
    const own = (command: string) =>
      command.replace(/^(?=npx warmgate models (?:ls|inspect|diff))(.*)$/gm, `$1 --state ${stack.stateFolder}`);
    const commands = own(block("sh", "models ls")).replaceAll("npx warmgate", "warmgate");
    const told = execFileSync("sh", ["-ec", [warmgate, commands].join("\n")], { encoding: "utf8", cwd: PROJECT });
    assert.match(told, /^digits-image +1 +/m);
    const picture = block("sh", "digits-image/infer")
      .replace("http://127.0.0.1:8787", stack.edgeUrl)
      .replace(".warmgate/demo-key", join(stack.stateFolder, "demo-key"));
    const answer = execFileSync("sh", ["-c", picture], { encoding: "utf8", cwd: PROJECT });
    assert.match(answer, /"name":"label","datatype":"BYTES","shape":\[1,3\],"data":\["7"/);
  } finally {
    await stack.stop();
  }
});

test("README's commands make a tenant and a key that predicts, and tell its usage", async () => {
  const stack = await startTestStack(["gpu-pool/models"]);
  try {
    const warmgate = `warmgate() { node infra/cli/warmgate.mjs "$@" --state ${stack.stateFolder}; }`;
    const commands = block("sh", "tenants create").replaceAll("npx warmgate", "warmgate");
    const call = `curl -s -o /dev/null -w '%{http_code}\\n' ${stack.edgeUrl}/v2/models/digits/infer -H "Authorization: Bearer $KEY" \\
      -d @gpu-pool/models/digits/examples/seven.json; sleep 2`;
    const script = [warmgate, commands.replace(/(?=warmgate usage)/, `${call}\n`)].join("\n");
    const told = execFileSync("sh", ["-ec", script], { encoding: "utf8", cwd: PROJECT });
    assert.match(told, /rate +100\/s, burst 20/);
    assert.match(told, /^200$/m);
    assert.match(told, /^digits +1 +1 /m);
  } finally {
    await stack.stop();
  }
});

test("README's commands split a model's traffic, explain a request, start and abort a rollout, and set what it falls back to", async () => {
  const stack = await startTestStack(["gpu-pool/models"]);
  try {
    const warmgate = `warmgate() { node infra/cli/warmgate.mjs "$@" --state ${stack.stateFolder}; }`;
    const blocks = ["routes set digits --weight 1=90", "rollout start digits", "--fallback cached", "--fallback job"];
    const commands = blocks.map((text) => block("sh", text)).join("");
    const script = [warmgate, commands.replaceAll("npx warmgate", "warmgate")].join("\n");
    const told = execFileSync("sh", ["-ec", script], { encoding: "utf8", cwd: PROJECT });
    assert.match(told, /^2 +10 +10%$/m);
    assert.match(told, /^why +it is the request's share of the split$/m);
    assert.match(told, /^state +running$/m);
    assert.match(told, /^state +aborted$/m);
    assert.match(told, /cached -> version 1$/m);
    assert.match(told, /cached -> job$/m);
  } finally {
    await stack.stop();
  }
});

test("README's model.json is one that the pool takes", async () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-readme-"));
  const file = join(folder, "model.json");
  writeFileSync(file, block("json", "maxBatch"));
  assert.equal((await readModelJson(file)).maxBatch, 32);
  writeFileSync(file, block("json", '"ensemble"'));
  assert.equal((await readModelJson(file)).ensemble?.steps.length, 2);
  rmSync(folder, { recursive: true });
});

test("README names scripts that exist", () => {
  const { scripts } = JSON.parse(readFileSync(join(PROJECT, "package.json"), "utf8"));
  for (const [, name] of readme.matchAll(/npm run ([\w:]+)/g)) assert.ok(scripts[name ?? ""], `npm run ${name}`);
});
