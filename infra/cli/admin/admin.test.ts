import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { PROJECT_ROOT } from "../state-folder.ts";
import { UsageError } from "../usage-error.ts";
import {
  type Administration,
  audit,
  costs,
  explain,
  issuers,
  keys,
  nodes,
  plans,
  rollout,
  routes,
  tenants,
  usage,
} from "./admin.ts";
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
    [routes, "show ../tenants", /A route's name is/],
    [routes, "set digits", /Nothing is given/],
    [routes, "set digits --contract 2 --ttl 1h", /--contract 2: give what of it/],
    [routes, "set digits --contract 2 --weight 1=1 --remove-contract 2", /changed or removed, not both/],
    [routes, "set digits --weight 2", /such as 2=10, not '2'/],
    [routes, "set digits --weight v2=1", /a model version is a whole number from 1, not 'v2'/],
    [routes, "set digits --weight 2=many", /--weight is a number from 0 to 1,000,000/],
    [routes, "set digits --weight 1=1 --weight 1=2", /1 has two weights/],
    [routes, "set digits --weight 1=0 --weight 2=0", /needs a weight above 0/],
    [routes, "set digits --sticky header:cookie", /--sticky is input, tenant, credential, header:x-<name>/],
    [routes, "set digits --rule acme:2", /a condition is tenant=, plan=, priority=, not 'acme'/],
    [routes, "set digits --rule tenant=acme", /such as tenant=acme:2/],
    [routes, "set digits --rule priority=bach:2", /Did you mean batch\?/],
    [routes, "set digits --rule tenant=acme:2 --no-rules", /--rule or --no-rules, not both/],
    [routes, "set digits --experiment colours --arm old=1:1", /2 to 8 arms/],
    [routes, "set digits --experiment colours --arm old=1 --arm new=2", /such as new=2:50/],
    [routes, "set digits --experiment colours --arm old=1:1 --arm old=2:1", /old has two weights/],
    [routes, "set digits --arm old=1:1", /--arm goes with --experiment/],
    [routes, "set digits --shadow 2=0", /--no-shadow/],
    [routes, "set digits --shadow 2=110%", /a share such as 10% or 0\.1, from 0% to 100%/],
    [routes, "set digits --cache-scope all", /--cache-scope is tenant or shared/],
    [routes, "set digits --ttl 8d", /--ttl is 1s to 7d/],
    [routes, "set digits --deprecate 90d --sunset 30d", /--sunset cannot be before/],
    [routes, "set digits --deprecation-link javascript:x", /--deprecation-link is a URL/],
    [routes, "set digits --sunset 90d --no-deprecation", /Beside --no-deprecation/],
    [rollout, "start digits", /--to <version> is missing/],
    [rollout, "start digits --to 2 --step 50 --step 10 --step 100", /ascend/],
    [rollout, "start digits --to 2 --step 10 --step 50", /must be 100/],
    [rollout, "start digits --to 2 --step 100", /begin below 100/],
    [rollout, "start digits --to 2 --shadow-share 0", /agreement needs shadows/],
    [rollout, "start digits --to 2 --p99-ratio 0.5", /--p99-ratio is a number from 1 to 100/],
    [rollout, "start digits --to 2 --non-finite no", /--non-finite is on or off/],
    [rollout, "status digits --decisions 3000", /--decisions is a whole number/],
    [nodes, "show Pool", /lower-case/],
    [explain, "digits --input -", /--tenant <tenant> is missing/],
    [explain, "digits --tenant acme", /--input <file> is missing/],
    [explain, "digits --tenant acme --input /nonexistent.json", /--input cannot be read: ENOENT/],
    [explain, `digits --tenant acme --input ${join(PROJECT_ROOT, "README.md")}`, /README\.md is not valid JSON/],
    [explain, "digits --tenant acme --input - --header cookie=1", /begins with x-/],
    [explain, "digits --tenant acme --input - --header x-warmgate-version=1", /give --pin instead/],
    [explain, "digits --tenant acme --input - --header x-user=1 --header X-User=2", /x-user is given twice/],
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
  const groups = { tenants, keys, plans, costs, issuers, routes, rollout, nodes };
  const lines: [Administration, string[]][] = [
    [explain, ["--help"]],
    [usage, ["--help"]],
    [audit, ["--help"]],
  ];
  for (const [name, group] of Object.entries(groups)) {
    const at = typedAt(undefined);
    assert.equal(await group(["--help"], at), 0);
    const verbs = [...(at.printed[0] ?? "").matchAll(/^ {2}([a-z]+) {2}/gm)].map(([, verb = ""]) => verb);
    assert.ok(verbs.length >= 2, name);
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
