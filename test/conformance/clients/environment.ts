/**
 * The Python environment of the real clients: `.venv/conformance` in the repository, built once and built anew when
 * `requirements.txt` changes. A machine without Python, or without a way to the package registry, has none.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";

const FOLDER = path.resolve(import.meta.dirname, "../../../.venv/conformance");
const REQUIREMENTS = path.join(import.meta.dirname, "requirements.txt");
/** Holds the hash of the requirements that the environment was built from. */
const MARK = path.join(FOLDER, "requirements.sha256");
const PYTHON = path.join(FOLDER, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
const INSTALL_LIMIT_MS = 600_000;
const KEPT_OUTPUT = 4_000;

export interface Finished {
  /** Absent: the program could not be started, or ran past its limit. */
  readonly status?: number;
  /** The end of what it printed, at most KEPT_OUTPUT characters. */
  readonly output: string;
}

/** Runs a program to its end, handing out its lines as they come. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; limitMs: number; onLine?: (line: string) => void },
): Promise<Finished> {
  const { promise, resolve } = Promise.withResolvers<Finished>();
  const child = spawn(program, args, { env: options.env ?? process.env, stdio: ["ignore", "pipe", "pipe"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), options.limitMs);
  let output = "";
  let line = "";
  const take = (part: Buffer): void => {
    const text = part.toString();
    output = (output + text).slice(-KEPT_OUTPUT);
    const lines = (line + text).split("\n");
    line = (lines.pop() ?? "").slice(-KEPT_OUTPUT);
    for (const one of lines) options.onLine?.(one);
  };
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  child.on("error", (error) => {
    clearTimeout(timer);
    resolve({ output: error.message });
  });
  child.on("close", (status) => {
    clearTimeout(timer);
    resolve({ output, ...(status === null ? {} : { status }) });
  });
  return promise;
}

export type Environment = { readonly python: string } | { readonly missing: string };

/** The environment's Python, or why there is none. */
export async function environment(tell: (line: string) => void): Promise<Environment> {
  const wanted = createHash("sha256")
    .update(await readFile(REQUIREMENTS))
    .digest("hex");
  if (existsSync(PYTHON) && existsSync(MARK) && (await readFile(MARK, "utf8")) === wanted) return { python: PYTHON };
  const found = await runProgram("python3", ["--version"], { limitMs: 10_000 });
  if (found.status !== 0) return { missing: "there is no python3" };
  tell("Building the clients' Python environment, about 500 MB; this happens once.");
  await rm(FOLDER, { recursive: true, force: true });
  const made = await runProgram("python3", ["-m", "venv", FOLDER], { limitMs: INSTALL_LIMIT_MS });
  if (made.status !== 0) return { missing: `python3 -m venv failed:\n${made.output.trim()}` };
  const install = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-r", REQUIREMENTS];
  const installed = await runProgram(PYTHON, install, { limitMs: INSTALL_LIMIT_MS });
  if (installed.status !== 0) return { missing: `pip install failed:\n${installed.output.trim()}` };
  await writeFile(MARK, wanted);
  return { python: PYTHON };
}
