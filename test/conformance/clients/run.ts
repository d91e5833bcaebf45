/**
 * Runs real, unmodified clients (tritonclient blocking and asyncio, KServe's InferenceRESTClient) against servers:
 *
 *     node test/conformance/clients/run.ts --url http://127.0.0.1:8000
 *     CONFORMANCE_BEARER=<key> node test/conformance/clients/run.ts --url http://127.0.0.1:8787
 *
 * Where there is no Python, or the clients cannot be installed, it says so and succeeds; --required makes that a
 * failure. Exit status: 0 no check fails, 1 one does, 2 wrong usage.
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { environment, runProgram } from "./environment.ts";

const SCRIPTS = ["tritonclient_blocking.py", "tritonclient_asyncio.py", "kserve_rest.py"];
const SCRIPT_LIMIT_MS = 180_000;

export interface ClientCounts {
  readonly pass: number;
  readonly fail: number;
  readonly skip: number;
}

export interface ClientRun {
  /** Base URL of the server. */
  readonly url: string;
  /** Sent as `Authorization: Bearer`; absent: no key. */
  readonly bearer?: string;
  /** Further arguments of the scripts, such as `--control-model`. */
  readonly args?: readonly string[];
}

const TOTAL = /^total (\d+) pass (\d+) fail (\d+) skip$/;

/** Runs one script; a script that ends without its total counts as one failure. */
async function runScript(
  python: string,
  script: string,
  run: ClientRun,
  tell: (line: string) => void,
): Promise<ClientCounts> {
  let counts: ClientCounts | undefined;
  const { output } = await runProgram(
    python,
    ["-W", "ignore", path.join(import.meta.dirname, script), "--url", run.url, ...(run.args ?? [])],
    {
      env: { ...process.env, CONFORMANCE_BEARER: run.bearer ?? "", PYTHONDONTWRITEBYTECODE: "1" },
      limitMs: SCRIPT_LIMIT_MS,
      onLine: (line) => {
        const total = TOTAL.exec(line);
        if (total === null) tell(line);
        else counts = { pass: Number(total[1]), fail: Number(total[2]), skip: Number(total[3]) };
      },
    },
  );
  if (counts !== undefined) return counts;
  tell(`fail  ${script} ended without a result: ${output.trim().split("\n").at(-1) ?? ""}`);
  return { pass: 0, fail: 1, skip: 0 };
}

/** Runs every client against one server and adds up; undefined, after saying why, where the clients cannot run. */
export async function runClients(run: ClientRun, tell: (line: string) => void): Promise<ClientCounts | undefined> {
  const found = await environment(tell);
  if ("missing" in found) {
    tell(`skip  real clients: ${found.missing}`);
    return undefined;
  }
  const sum = { pass: 0, fail: 0, skip: 0 };
  for (const script of SCRIPTS) {
    const counts = await runScript(found.python, script, run, tell);
    sum.pass += counts.pass;
    sum.fail += counts.fail;
    sum.skip += counts.skip;
  }
  return sum;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      url: { type: "string" },
      "control-model": { type: "string" },
      required: { type: "boolean", default: false },
    },
  });
  if (values.url === undefined || !URL.canParse(values.url)) {
    console.error("--url http://host:port is needed");
    return 2;
  }
  const bearer = process.env.CONFORMANCE_BEARER;
  const control = values["control-model"];
  const run = {
    url: values.url,
    ...(bearer === undefined ? {} : { bearer }),
    args: control === undefined ? [] : ["--control-model", control],
  };
  const counts = await runClients(run, console.log);
  if (counts === undefined) return values.required ? 1 : 0;
  console.log(`\nreal clients against ${values.url}: ${counts.pass} pass, ${counts.fail} fail, ${counts.skip} skip`);
  return counts.fail > 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = await main();
