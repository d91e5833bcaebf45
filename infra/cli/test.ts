/** `npm test`: lint, types and every test, on a fresh clone as well. Ends with the line `N passed, N failed`. */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";
import { PROJECT_ROOT } from "./state-folder.ts";
import { UsageError } from "./usage-error.ts";

interface Tally {
  passed: number;
  failed: number;
  readonly failures: string[];
}

const HELP = `Usage: npm test [-- <part of a file's path> ...]

Runs the linter, the compiler and all tests; with arguments, only the test files whose path contains one of them.`;

/** Tests that start whole processes: one file at a time, so that they don't take each other's cores. */
const WIRING = /^test\//;

export async function test(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { help: { type: "boolean" } } });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const files = globSync("{edge,gpu-pool,shared,infra,test}/**/*.test.ts", { cwd: PROJECT_ROOT }).filter(
    (file) => positionals.length === 0 || positionals.some((part) => file.includes(part)),
  );
  if (files.length === 0) throw new UsageError(`no test file has ${positionals.join(" or ")} in its path`);

  const tally: Tally = { passed: 0, failed: 0, failures: [] };
  if (positionals.length === 0) {
    check(tally, "biome check", "biome", ["check", "."]);
    check(tally, "tsc (pool, shared, infra, test)", "tsc", ["-p", "."]);
    check(tally, "tsc (edge)", "tsc", ["-p", "edge"]);
    check(tally, "tsc (tests of the edge)", "tsc", ["-p", "edge/tsconfig.test.json"]);
  }
  await runFiles(tally, files.filter((file) => !WIRING.test(file)).sort(), 2);
  await runFiles(tally, files.filter((file) => WIRING.test(file)).sort(), 1);
  for (const failure of tally.failures) console.log(`FAILED ${failure}`);
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  return tally.failed === 0 ? 0 : 1;
}

function check(tally: Tally, name: string, command: string, args: readonly string[]): void {
  const { status } = spawnSync(join(PROJECT_ROOT, "node_modules", ".bin", command), args, {
    cwd: PROJECT_ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  console.log(`${status === 0 ? "✔" : "✖"} ${name}`);
  count(tally, name, status === 0);
}

async function runFiles(tally: Tally, files: readonly string[], concurrency: number): Promise<void> {
  if (files.length === 0) return;
  const events = run({ files: files.map((file) => join(PROJECT_ROOT, file)), concurrency, timeout: 300_000 });
  // Suites are counted by the tests in them.
  events.on("test:pass", (event) => {
    if (event.details.type !== "suite" && event.skip === undefined) count(tally, event.name, true);
  });
  events.on("test:fail", (event) => {
    if (event.details.type !== "suite") count(tally, `${event.name} (${event.file ?? ""}:${event.line ?? ""})`, false);
  });
  const report = events.compose(spec);
  for await (const chunk of report) process.stdout.write(chunk);
}

function count(tally: Tally, name: string, passed: boolean): void {
  if (passed) tally.passed++;
  else {
    tally.failed++;
    tally.failures.push(name);
  }
}
