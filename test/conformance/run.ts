/**
 * Black-box conformance suite for the Open Inference Protocol v2 over REST with binary tensor data, for any server:
 *
 *     node test/conformance/run.ts --url http://127.0.0.1:8000 [--header 'Authorization: Bearer …'] [--json]
 *
 * Exit status: 0 all that is required holds; 1 a MUST fails, or an EXTENSION that the server advertises (with --strict
 * also a SHOULD); 2 the suite could not run. The README lists the models that the target needs.
 */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { ALL_RULES } from "./suite/all-rules.ts";
import { serverMetadata } from "./suite/documents.ts";
import { judgeAll } from "./suite/judge.ts";
import { machineReadable, summary, tally, verdictLines } from "./suite/report.ts";
import type { Profile } from "./suite/rule.ts";
import { Target } from "./suite/target.ts";

const OPTIONS = {
  url: { type: "string" },
  header: { type: "string", multiple: true, default: [] as string[] },
  model: { type: "string", default: "simple" },
  "string-model": { type: "string", default: "simple_string" },
  "identity-prefix": { type: "string", default: "identity_" },
  "control-model": { type: "string" },
  assume: { type: "string", multiple: true, default: [] as string[] },
  profile: { type: "string", default: "oip" },
  only: { type: "string" },
  "timeout-ms": { type: "string", default: "20000" },
  strict: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  quiet: { type: "boolean", default: false },
} as const satisfies NonNullable<ParseArgsConfig["options"]>;

class UsageError extends Error {}

function headersFrom(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      if (colon < 1) throw new UsageError("--header takes `Name: value`");
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
}

function profileFrom(text: string): Profile {
  if (text === "oip" || text === "warmgate") return text;
  throw new UsageError("--profile is `oip` or `warmgate`");
}

/** What the target advertises; UsageError if nothing can be asked of it. */
async function advertised(target: Target): Promise<readonly string[]> {
  const reply = await target.get("/v2").catch((error: unknown) => {
    throw new UsageError(`${target.base.href} cannot be reached: ${error instanceof Error ? error.message : error}`);
  });
  if (reply.status === 401 || reply.status === 403) {
    throw new UsageError(`GET /v2 answers ${reply.status}: give credentials with --header`);
  }
  try {
    return serverMetadata(reply).extensions;
  } catch {
    return [];
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.url === undefined || !URL.canParse(values.url)) throw new UsageError("--url http://host:port is needed");
  const timeoutMs = Number(values["timeout-ms"]);
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1) throw new UsageError("--timeout-ms takes milliseconds");
  const controlModel = values["control-model"];
  const target = new Target({
    url: values.url,
    headers: headersFrom(values.header),
    simple: values.model,
    simpleString: values["string-model"],
    identityPrefix: values["identity-prefix"],
    ...(controlModel === undefined ? {} : { controlModel }),
    timeoutMs,
  });
  const extensions = new Set([...(await advertised(target)), ...values.assume]);
  const only = values.only;
  const rules = only === undefined ? ALL_RULES : ALL_RULES.filter((rule) => rule.id.startsWith(only));
  if (rules.length === 0) throw new UsageError(`no rule starts with ${only}`);
  const scope = { profile: profileFrom(values.profile), extensions };
  const verdicts = await judgeAll(rules, target, scope, (verdict) => {
    const hidden = values.json || (values.quiet && verdict.outcome !== "fail");
    if (!hidden) console.log(verdictLines(verdict));
  });
  console.log(values.json ? machineReadable(values.url, verdicts) : `\n${summary(verdicts)}`);
  const required = values.strict ? ["MUST", "SHOULD", "EXTENSION"] : ["MUST", "EXTENSION"];
  return tally(verdicts).some(({ level, fail }) => fail > 0 && required.includes(level)) ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const known = error instanceof UsageError || (error instanceof TypeError && "code" in error);
  console.error(known ? error.message : error);
  process.exitCode = 2;
}
