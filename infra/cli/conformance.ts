/**
 * `npm run test:conformance`: starts the whole of Warmgate with the protocol's test models and holds the conformance
 * suite and the real clients against the edge and against the pool.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type ClientRun, runClients } from "../../test/conformance/clients/run.ts";
import { freePorts } from "./ports.ts";
import { startStack } from "./stack.ts";
import { PROJECT_ROOT } from "./state-folder.ts";

const HELP = `Usage: npm run test:conformance

Needs nothing running. The real clients (tritonclient, KServe's SDK) are installed into .venv/conformance with Python;
without Python they are skipped. To hold the suite against any other server: node test/conformance/run.ts --url <url>`;

/** Unloaded and loaded again by the checks of the repository extension. */
const CONTROL_MODEL = ["--control-model", "identity_fp64"];

export async function conformance(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { help: { type: "boolean" } } });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const stateFolder = mkdtempSync(join(tmpdir(), "warmgate-conformance-"));
  const [edgePort = 0, poolPort = 0, opsPort = 0] = await freePorts(3);
  const stack = await startStack({
    edgePort,
    poolPort,
    opsPort,
    modelFolders: [`${PROJECT_ROOT}gpu-pool/models`, `${PROJECT_ROOT}test/models/basic`],
    poolAuth: "open",
    provider: "cpu",
    stateFolder,
  });
  try {
    await stack.ready;
    console.log("\n== The suite against the edge");
    const bearer = ["--header", `Authorization: Bearer ${stack.demoKey}`];
    const edge = await runSuite(["--url", stack.edgeUrl, "--profile", "warmgate", ...bearer]);
    console.log("\n== The suite against the pool");
    const pool = await runSuite(["--url", stack.poolUrl, "--profile", "warmgate", ...CONTROL_MODEL]);
    const edgeClients = await runRealClients("the edge", { url: stack.edgeUrl, bearer: stack.demoKey });
    const poolClients = await runRealClients("the pool", { url: stack.poolUrl, args: CONTROL_MODEL });
    return edge === 0 && pool === 0 && edgeClients && poolClients ? 0 : 1;
  } finally {
    await stack.stop();
    rmSync(stateFolder, { recursive: true, force: true });
  }
}

function runSuite(args: readonly string[]): Promise<number> {
  const suite = join(PROJECT_ROOT, "test", "conformance", "run.ts");
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", suite, "--quiet", ...args], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  return new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
}

async function runRealClients(name: string, run: ClientRun): Promise<boolean> {
  console.log(`\n== Real clients against ${name}`);
  const counts = await runClients(run, (line) => {
    if (!line.startsWith("pass")) console.log(line);
  });
  if (!counts) return true;
  console.log(`${counts.pass} pass, ${counts.fail} fail, ${counts.skip} skip`);
  return counts.fail === 0;
}
