import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { z } from "zod";
import { freePorts } from "../../infra/cli/ports.ts";
import { PROJECT } from "../support/stack.ts";
import { until } from "../support/until.ts";

const runSchema = z.object({
  edge: z.object({ url: z.string() }),
  pool: z.object({ url: z.string() }),
  operations: z.object({ url: z.string() }),
  pids: z.object({ cli: z.int(), supervisor: z.int(), serving: z.array(z.int()).min(1) }),
});

interface Started {
  readonly child: ChildProcess;
  readonly state: string;
  output(): string;
  readonly ended: Promise<number | null>;
}

/** As a newcomer starts it, but for the ports and the folder that it keeps its state in. */
async function npmStart(...options: string[]): Promise<Started> {
  const state = mkdtempSync(join(tmpdir(), "warmgate-start-"));
  const [edge, pool, ops] = await freePorts(3);
  const ports = ["--edge-port", `${edge}`, "--pool-port", `${pool}`, "--ops-port", `${ops}`];
  const child = spawn("npm", ["start", "--", ...ports, "--state", state, ...options], {
    cwd: PROJECT,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { child, state, output: () => output, ended };
}

const untilReady = (started: Started) =>
  until("npm start to be ready", () => started.output().includes("Ctrl-C stops"));

/** Ctrl-C: the terminal sends the signal to every process of the group. */
function pressCtrlC({ child }: Started): void {
  process.kill(-z.int().parse(child.pid), "SIGINT");
}

function isAlive(pid: number): boolean {
  try {
    // A zombie is dead, but still has a number where nobody collects it.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Every process below this one, whatever it is called. */
function descendants(pid: number): number[] {
  const children = execFileSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid)
    .map(([child]) => z.int().parse(child));
  return [...children, ...children.flatMap(descendants)];
}

describe("npm start", () => {
  const folders: string[] = [];
  after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  test("prints a line that can be pasted and reads a seven; Ctrl-C leaves no process and no run.json", async () => {
    const started = await npmStart();
    folders.push(started.state);
    await untilReady(started);
    const line = started
      .output()
      .split("\n")
      .find((text) => text.trim().startsWith("curl "));
    assert.ok(line, started.output());
    const answer = execFileSync("sh", ["-c", line], { encoding: "utf8", cwd: tmpdir() });
    assert.match(answer, /"name":"label","datatype":"INT64","shape":\[1\],"data":\[7\]/);

    const run = runSchema.parse(JSON.parse(readFileSync(join(started.state, "run.json"), "utf8")));
    assert.equal((await fetch(`${run.operations.url}/metrics`)).status, 200);
    const key = readFileSync(join(started.state, "demo-key"), "utf8").trim();
    assert.ok(line.includes(key));

    const processes = [z.int().parse(started.child.pid), ...descendants(z.int().parse(started.child.pid))];
    for (const pid of [run.pids.cli, run.pids.supervisor, ...run.pids.serving]) assert.ok(processes.includes(pid));
    pressCtrlC(started);
    await started.ended;
    await until("every process to be gone", () => processes.every((pid) => !isAlive(pid)));
    assert.equal(existsSync(join(started.state, "run.json")), false);
  });

  test("killed outright, it takes everything with it", async () => {
    const started = await npmStart();
    folders.push(started.state);
    await untilReady(started);
    const run = runSchema.parse(JSON.parse(readFileSync(join(started.state, "run.json"), "utf8")));
    const processes = descendants(z.int().parse(started.child.pid));
    process.kill(run.pids.cli, "SIGKILL");
    await until("every process to be gone", () => processes.every((pid) => !isAlive(pid)));
  });

  test("a taken port is named, with the option that changes it", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const address = taken.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const started = await npmStart("--pool-port", String(port));
    folders.push(started.state);
    assert.equal(await started.ended, 2);
    assert.match(started.output(), new RegExp(`Port ${port} \\(pool\\) is taken[^\\n]*--pool-port`));
    await new Promise((resolve) => taken.close(resolve));
  });

  test("an option that does not exist is refused with the list of those that do", async () => {
    const started = await npmStart("--edge-prot", "1");
    folders.push(started.state);
    assert.equal(await started.ended, 2);
    assert.match(started.output(), /edge-prot[\s\S]*--edge-port <port>/);
  });

  test("a folder that is not there ends the start with a reason", async () => {
    const started = await npmStart("--models", "/no/such/folder");
    folders.push(started.state);
    assert.equal(await started.ended, 2);
    assert.match(started.output(), /no\/such\/folder/);
  });

  test("a folder of one's own models is served, a broken one among them is reported", async () => {
    const started = await npmStart("--models", "test/models/exporters", "--models", "test/models/hostile");
    folders.push(started.state);
    await untilReady(started);
    assert.match(started.output(), /model rejected model="truncated"/);
    const line = started
      .output()
      .split("\n")
      .find((text) => text.trim().startsWith("curl "));
    assert.match(execFileSync("sh", ["-c", line ?? ""], { encoding: "utf8" }), /"outputs":\[/);
    pressCtrlC(started);
    await started.ended;
  });
});
