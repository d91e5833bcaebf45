/**
 * Starts the serving process, watches it and starts it again. It loads no native code, so nothing a model does can
 * take it down.
 *
 * Promises: a serving process that dies is replaced at once the first time, then after a wait that doubles
 * (`restart-policy.ts`); one that keeps dying stays down and the supervisor exits with a reason, as it does at once where
 * the first one says that it is misconfigured; one whose event loop stands still is killed (`heartbeat.ts`), as is one that
 * hangs before its first word (`start-limit.ts`); a model that brings it down while it is loaded is left out by the next
 * one (`quarantine.ts`), and for a time one whose runs do so again and again (`run-deaths.ts`). SIGTERM and SIGINT are
 * passed on, and whatever has not stopped in time is killed. When the program that started the supervisor vanishes, so
 * does everything below it.
 *
 *     POOL_SIGNING_KEYS=k1:... node gpu-pool/supervisor.ts --models gpu-pool/models
 */
import { type ChildProcess, fork } from "node:child_process";
import { Heartbeat } from "./heartbeat.ts";
import { PassedTrials } from "./passed-trials.ts";
import {
  type Culprit,
  type LeftOut,
  PROVEN_PROVIDER,
  type ServingMessage,
  type SupervisorWord,
  servingMessage,
  tellParent,
} from "./process-messages.ts";
import { Quarantine } from "./quarantine.ts";
import { RestartPolicy } from "./restart-policy.ts";
import { RunDeaths } from "./run-deaths.ts";
import { startLimitOf } from "./start-limit.ts";
import { createLog } from "./telemetry/log.ts";

/** How much longer than its drain limit a stopping process may take before it counts as stuck and is killed. */
const KILL_GRACE_MS = 3_000;
const EXIT_MISCONFIGURED = 78;

const log = createLog("supervisor", "info");
const serveFile = new URL("./serve.ts", import.meta.url);
const startLimitMs = startLimitOf(process.argv.slice(2));
const policy = new RestartPolicy();
const quarantine = new Quarantine();
const runDeaths = new RunDeaths();
const passedTrials = new PassedTrials();
let child: ChildProcess | undefined;
let stopping = false;
/** Some process was ready: with the same options another one can be. */
let hasServed = false;
/** What that one served with. */
let provenProvider: string | undefined;
/** The drain limit of the serving process, in milliseconds; a guess until it has said it. */
let drainMs = 15_000;

function start(): void {
  const started = fork(serveFile, process.argv.slice(2), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: { ...process.env, ...(provenProvider === undefined ? {} : { [PROVEN_PROVIDER]: provenProvider }) },
  });
  child = started;
  let heartbeat: Heartbeat | undefined;
  let reason: string | undefined;
  let culprit: Culprit | undefined;
  let provider: string | undefined;
  const tell = (word: SupervisorWord) => void (started.connected && started.send(word, () => undefined));
  const killWhenSilent = () => {
    reason = `it did not get as far as its first word in ${startLimitMs} ms`;
    started.kill("SIGKILL");
  };
  const starting = startLimitMs > 0 ? setTimeout(killWhenSilent, startLimitMs) : undefined;
  const receive = (message: ServingMessage) => {
    switch (message.kind) {
      case "started":
        clearTimeout(starting);
        drainMs = message.drainMs;
        provider = message.provider;
        tell({ kind: "known", leftOut: leftOut(), passed: passedTrials.all });
        heartbeat = new Heartbeat({
          limitMs: message.aliveLimitMs,
          ask: () => tell({ kind: "ping" }),
          onSilent: () => {
            reason = `its event loop stood still for ${message.aliveLimitMs} ms`;
            started.kill("SIGKILL");
          },
        });
        return;
      case "alive":
        heartbeat?.answered();
        return;
      case "stuck":
        reason = message.reason;
        culprit = message.culprit;
        killIfStillThere(started);
        return;
      case "loading":
        quarantine.began(message.artefact);
        runDeaths.began(message.artefact, performance.now());
        return;
      case "passed":
        passedTrials.add(message.trial);
        return;
      case "load_ended":
        quarantine.ended(message.artefact, message.loaded);
        return;
      case "ready":
        policy.ready();
        hasServed = true;
        provenProvider = provider;
        if (started.pid === undefined) return;
        tellParent({ kind: "ready", pid: started.pid, port: message.port, opsPort: message.opsPort });
    }
  };
  started.on("message", (message) => {
    const parsed = servingMessage.safeParse(message);
    if (parsed.success) receive(parsed.data);
  });
  // What it said last is heard before it is judged: its channel may be read after its end is known.
  const heard = new Promise<void>((resolve) => started.once("disconnect", resolve));
  started.on("exit", (code, signal) => {
    clearTimeout(starting);
    heartbeat?.stop();
    child = undefined;
    // One that SIGTERM itself has ended was not far enough to listen for it, and had taken nothing in.
    if (stopping) process.exit(signal === "SIGTERM" ? 0 : (code ?? 1));
    void heard.then(() => restart(code, signal ?? "", reason, culprit));
  });
}

function restart(code: number | null, signal: string, reason: string | undefined, culprit: Culprit | undefined): void {
  const { found: foundLoading, wasUseful } = quarantine.died({ signal, culprit });
  const foundServing = culprit?.during === "serving" ? runDeaths.died(culprit, performance.now()) : undefined;
  const found = foundServing ? [...foundLoading, foundServing] : foundLoading;
  for (const { model, version, reason: why } of found) log.error({ model, version, reason: why }, "model left out");
  if (found.length > 0 && wasUseful) {
    // What it died of will not be met again, and there is something to serve.
    log.error({ code, signal, reason }, "serving process died");
    start();
    return;
  }
  const next = policy.died(performance.now());
  if (code === EXIT_MISCONFIGURED && !hasServed) {
    giveUp("the pool cannot start as it is configured; the line above says why");
  } else if (next.kind === "give_up") {
    log.error({ code, signal, reason }, "serving process died");
    giveUp(next.reason);
  } else {
    log.error({ code, signal, reason, waitMs: next.waitMs }, "serving process died");
    setTimeout(start, next.waitMs);
  }
}

/** What the next process is not to load. */
function leftOut(): LeftOut[] {
  return [...quarantine.entries, ...runDeaths.entries(performance.now())];
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
  killIfStillThere(child);
}

/** Gives a process that should end its time to drain and no more. */
function killIfStillThere(process: ChildProcess): void {
  setTimeout(() => process.kill("SIGKILL"), drainMs + KILL_GRACE_MS).unref();
}

process.on("SIGTERM", () => stop("SIGTERM"));
process.on("SIGINT", () => stop("SIGTERM"));
process.on("disconnect", () => {
  if (process.exitCode === undefined) stop("SIGTERM");
});
start();
