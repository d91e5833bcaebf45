import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

/**
 * Runs a load generator as a process of its own: it must not share an event loop with anything.
 *
 * @param settings are written to its standard input as JSON; requests may be too large for a command line
 * @returns what it printed, as JSON
 */
export async function runGenerator(file: URL, settings: unknown): Promise<unknown> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", fileURLToPath(file)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("exit", resolve));
  child.stdin.end(JSON.stringify(settings));
  const printed = await text(child.stdout);
  const code = await exited;
  if (code !== 0) throw new Error(`the load generator ended with ${code}`);
  return JSON.parse(printed);
}
