/**
 * A Python environment for each server, `.venv/field-<name>` in the repository, since their needs conflict. Built once
 * and built anew when the server's `requirements.txt` changes; a machine without Python has none.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Environment, runProgram } from "../../conformance/clients/environment.ts";
import { type FieldServer, serverFolder } from "./servers.ts";

const ENVIRONMENTS = path.resolve(import.meta.dirname, "../../../.venv");
const INSTALL_LIMIT_MS = 900_000;

/** The environment's Python, or why there is none. */
export async function fieldEnvironment(server: FieldServer, tell: (line: string) => void): Promise<Environment> {
  const folder = path.join(ENVIRONMENTS, `field-${server.name}`);
  const python = path.join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const mark = path.join(folder, "requirements.sha256");
  const requirements = path.join(serverFolder(server), "requirements.txt");
  const wanted = createHash("sha256")
    .update(await readFile(requirements))
    .digest("hex");
  if (existsSync(python) && existsSync(mark) && (await readFile(mark, "utf8")) === wanted) return { python };
  const found = await runProgram("python3", ["--version"], { limitMs: 10_000 });
  if (found.status !== 0) return { missing: "there is no python3" };
  tell(`Building ${server.label}'s Python environment; this happens once.`);
  await rm(folder, { recursive: true, force: true });
  const made = await runProgram("python3", ["-m", "venv", folder], { limitMs: INSTALL_LIMIT_MS });
  if (made.status !== 0) return { missing: `python3 -m venv failed:\n${made.output.trim()}` };
  const install = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-r", requirements];
  const installed = await runProgram(python, install, { limitMs: INSTALL_LIMIT_MS });
  if (installed.status !== 0) return { missing: `pip install failed:\n${installed.output.trim()}` };
  await writeFile(mark, wanted);
  return { python };
}
