/** `npm run test:alerts`: promtool checks the rules of `infra/prometheus`, and replays to each alert what must and must not fire it. */
import { spawnSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { PROJECT_ROOT } from "./state-folder.ts";
import { UsageError } from "./usage-error.ts";

const HELP = `Usage: npm run test:alerts

Checks the recording and alerting rules in infra/prometheus/rules and runs the replays in infra/prometheus/tests. Needs promtool,
which comes with Prometheus: on the PATH, or as .warmgate/tools/promtool.`;

const HOW_TO_GET_IT = `promtool is neither on the PATH nor in .warmgate/tools. It comes with Prometheus:

  Debian, Ubuntu   sudo apt-get install --no-install-recommends prometheus
                   sudo systemctl disable --now prometheus   (the server, which is not needed)
  macOS            brew install prometheus
  elsewhere        put promtool of the archive for your system, from https://prometheus.io/download/, into .warmgate/tools`;

export async function alerts(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { help: { type: "boolean" } } });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const folder = join(PROJECT_ROOT, "infra", "prometheus");
  const files = (pattern: string) => globSync(pattern, { cwd: folder }).sort();
  const promtool = findPromtool();
  const run = (command: string, names: readonly string[]) =>
    spawnSync(promtool, [command, "rules", ...names], { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
  const checked = run("check", files("rules/*.yml"));
  if (checked.status !== 0) return 1;
  return run("test", files("tests/*.yml")).status === 0 ? 0 : 1;
}

/** @throws UsageError that says how to get it */
function findPromtool(): string {
  const own = join(PROJECT_ROOT, ".warmgate", "tools", "promtool");
  if (existsSync(own)) return own;
  const { error } = spawnSync("promtool", ["--version"], { stdio: "ignore" });
  if (error) throw new UsageError(HOW_TO_GET_IT);
  return "promtool";
}
