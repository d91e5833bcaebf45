/**
 * Starts the serving process, watches it and starts it again. It loads no native code, so nothing a model does can
 * take it down.
 *
 * Promises: a serving process that dies is replaced at once the first time, then after a wait that doubles; one that
 * dies `MAX_DEATHS` times within `DEATH_WINDOW_MS`, or says that it is misconfigured, stays down and the supervisor
 * exits with a reason. SIGTERM and SIGINT are passed on, and whatever has not stopped in time is killed. When the
 * program that started the supervisor vanishes, so does everything below it.
 *
 *     POOL_SIGNING_KEYS=k1:... node gpu-pool/supervisor.ts --models gpu-pool/models
 */
import { type ChildProcess, fork } from "node:child_process";
import { servingMessage, tellParent } from "./process-messages.ts";
import { createLog } from "./telemetry/log.ts";

const MAX_DEATHS = 5;
const DEATH_WINDOW_MS = 60_000;
const FIRST_WAIT_MS = 100;
/** How much longer than its drain limit a stopping process may take before it counts as stuck and is killed. */
const KILL_GRACE_MS = 3_000;
const EXIT_MISCONFIGURED = 78;

const log = createLog("supervisor", "info");
const serveFile = new URL("./serve.ts", import.meta.url);
const deaths: number[] = [];
let child: ChildProcess | undefined;
let stopping = false;
/** The drain limit of the serving process, in milliseconds; a guess until it has said it. */
let drainMs = 15_000;

function start(): void {
  const started = fork(serveFile, process.argv.slice(2), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  child = started;
  started.on("message", (message) => {
    const parsed = servingMessage.safeParse(message);
    if (!parsed.success || started.pid === undefined) return;
    const { kind, port, opsPort } = parsed.data;
    drainMs = parsed.data.drainMs;
    tellParent({ kind, pid: started.pid, port, opsPort });
  });
  started.on("exit", (code, signal) => {
    child = undefined;
    // One that SIGTERM itself has ended was not far enough to listen for it, and had taken nothing in.
    if (stopping) process.exit(signal === "SIGTERM" ? 0 : (code ?? 1));
    restart(code, signal ?? "");
  });
}

function restart(code: number | null, signal: string): void {
  const now = performance.now();
  while (deaths[0] !== undefined && now - deaths[0] > DEATH_WINDOW_MS) deaths.shift();
  deaths.push(now);
  const reason = hopeless(code);
  if (reason) {
    giveUp(reason);
    return;
  }
  const waitMs = deaths.length === 1 ? 0 : FIRST_WAIT_MS * 2 ** (deaths.length - 1);
  log.error({ code, signal, waitMs }, "serving process died");
  setTimeout(start, waitMs);
}

/** Why starting again cannot help, if it cannot. */
function hopeless(code: number | null): string | undefined {
  if (code === EXIT_MISCONFIGURED) return "the pool cannot start as it is configured; the line above says why";
  if (deaths.length >= MAX_DEATHS) return `the serving process died ${deaths.length} times within a minute`;
  return undefined;
}

function giveUp(reason: string): void {
  log.fatal({ reason }, "giving up");
  tellParent({ kind: "failed", reason });
  process.exitCode = EXIT_MISCONFIGURED;
  if (process.connected) process.disconnect();
}

function stop(signal: NodeJS.Signals): void {
  if (!child) process.exit(0);
  child.kill(stopping ? "SIGKILL" : signal);
  stopping = true;
  setTimeout(() => child?.kill("SIGKILL"), drainMs + KILL_GRACE_MS).unref();
}

process.on("SIGTERM", () => stop("SIGTERM"));
process.on("SIGINT", () => stop("SIGTERM"));
process.on("disconnect", () => {
  if (process.exitCode === undefined) stop("SIGTERM");
});
start();
