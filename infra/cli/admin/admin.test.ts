import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { PROJECT_ROOT } from "../state-folder.ts";
import { UsageError } from "../usage-error.ts";
import { type Administration, audit, costs, issuers, keys, plans, tenants, usage } from "./admin.ts";
import { ADMIN_KEY, answerJson, KEY, KEY_TEXT, scriptedApi, TENANT, typedAt, typedTo } from "./scripted-api.ts";

describe("failures", () => {
  test("a refusal ends with 1 and says what, why and which request", async (context) => {
    const { code, printed, noted } = await typedTo(context, tenants, "create acme", (_, response) =>
      answerJson(response, { error: "there is a tenant acme", code: "conflict", request_id: "r-7" }, 409),
    );
    assert.equal(code, 1);
    assert.equal(printed, "");
    assert.equal(noted, "warmgate tenants create: there is a tenant acme (conflict)\nRequest id: r-7");
  });

  test("where no stack runs it ends with 3", async () => {
    const at = typedAt(undefined);
    assert.equal(await tenants(["ls"], at), 3);
    assert.match(at.noted.join(), /npm start/);
  });

  const wrong: readonly (readonly [Administration, string, RegExp])[] = [
    [tenants, "creat acme", /no command 'tenants creat'\. Did you mean 'create'\?[\s\S]*suspend/],
    [tenants, "create", /<tenant> is missing/],
    [tenants, "create acme bolt", /'bolt' is one word too many/],
    [tenants, "create Acme", /lower-case/],
    [tenants, "create acme --rat 5/s", /Did you mean --rate\?/],
    [tenants, "create acme --burst 5", /--burst goes with a rate/],
    [tenants, "set acme", /Nothing is given/],
    [keys, "revoke acme ..", /10 letters and digits/],
    [keys, "create acme --scope read", /predict:<model glob>, jobs or admin/],
    [keys, "create acme --scope predict:* --scope predict:digits", /has no effect/],
    [keys, "create acme --expires 2026-01-01", /is past/],
    [keys, "rotate acme 0aB1cD2eF3 --overlap 31d", /30d at the most/],
    [costs, "set digits 1", /costs rm/],
    [issuers, "set corporate --audience a", /--issuer is a URL/],
    [
      issuers,
      "set https://a.example.com --audience a --jwks https://a.example.com --tenant a --tenant-claim b",
      /one of/,
    ],
    [usage, "acme --by models", /Did you mean model\?/],
    [usage, "acme --from 2028-01-01", /before/],
    [usage, "acme --csv --json", /not both/],
    [audit, "--limit 0", /--limit is a whole number/],
  ];
  for (const [command, line, says] of wrong) {
    test(`'${line}' is wrong usage, and nothing is sent`, async (context) => {
      const api = await scriptedApi(context, (_, response) => answerJson(response, TENANT));
      await assert.rejects(command(line.split(" "), typedAt(api.origin)), (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, says);
        return true;
      });
      assert.equal(api.asked.length, 0);
    });
  }

  test("a whole key on the command line is not repeated", async () => {
    await assert.rejects(keys(["revoke", "acme", ADMIN_KEY], typedAt("http://127.0.0.1:1")), (error) => {
      assert.ok(error instanceof UsageError && !error.message.includes(ADMIN_KEY));
      return true;
    });
  });
});

test("every command shows its options, an example and the exit codes", async () => {
  const groups = { tenants, keys, plans, costs, issuers };
  const lines: [Administration, string[]][] = [
    [usage, ["--help"]],
    [audit, ["--help"]],
  ];
  for (const [name, group] of Object.entries(groups)) {
    const at = typedAt(undefined);
    assert.equal(await group(["--help"], at), 0);
    const verbs = [...(at.printed[0] ?? "").matchAll(/^ {2}([a-z]+) {2}/gm)].map(([, verb = ""]) => verb);
    assert.ok(verbs.length >= 3, name);
    for (const verb of verbs) lines.push([group, [verb, "--help"]]);
  }
  for (const [command, args] of lines) {
    const at = typedAt(undefined);
    assert.equal(await command(args, at), 0);
    assert.match(at.printed.join(), /^Usage: warmgate [\s\S]*--json[\s\S]*--url[\s\S]*Example: [\s\S]*Exit codes: /);
  }
});

describe("the program", () => {
  test("leaves the key alone on standard output", async (context) => {
    const api = await scriptedApi(context, (_, response) => answerJson(response, { ...KEY, key: KEY_TEXT }));
    const { code, stdout, stderr } = await program(["keys", "create", "acme", "--url", api.origin]);
    assert.deepEqual({ code, stdout }, { code: 0, stdout: `${KEY_TEXT}\n` });
    assert.match(stderr, /shown this once/);
    assert.ok(!stderr.includes(ADMIN_KEY));
  });

  test("ends with 2 for wrong usage, without a stack", async () => {
    const { code, stdout, stderr } = await program(["tenants", "creat"]);
    assert.deepEqual({ code, stdout }, { code: 2, stdout: "" });
    assert.match(stderr, /Did you mean 'create'\?/);
    assert.doesNotMatch(stderr, /\n {4}at /);
  });
});

async function program(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const main = join(PROJECT_ROOT, "infra", "cli", "main.ts");
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], {
    env: { ...process.env, WARMGATE_ADMIN_KEY: ADMIN_KEY },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    stdout += part;
  });
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    stderr += part;
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, stderr };
}
