/** Starts one subject of the field, waits until it answers rightly, and ends it with everything that it started. */
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePorts } from "../../../infra/cli/ports.ts";
import { type RunningSubject, startOpenPool } from "../subjects.ts";
import { faultOf } from "./answer-check.ts";
import { bodyOf, type ModelFiles } from "./model-files.ts";
import { endTree, killTree } from "./process-tree.ts";
import { type FieldServer, serverFolder } from "./servers.ts";

const READY_WITHIN_MS = 120_000;
const MAX_BATCH = 64;
/** Of what a server printed before it ended, in characters. */
const KEPT_OUTPUT = 2_000;

/** What a server may be told of the load to come, to refuse what it cannot answer in time. */
export interface Limits {
  readonly deadlineMs: number;
  /** Requests a second that it was measured to answer. */
  readonly capacity: number;
}

export interface Subject {
  readonly label: string;
  start(model: ModelFiles, limits?: Limits): Promise<RunningSubject>;
}

/**
 * The pool with one run at a time on one thread, as the others have it; deadlines come with each request. It would log
 * each refusal as a warning; the others log no requests either.
 */
export const WARMGATE: Subject = {
  label: "Warmgate pool",
  async start(model) {
    const pool = await startOpenPool([model.folder], ["--slots", "1", "--log-level", "error"]);
    return answering(pool, model, () => undefined);
  },
};

export function fieldSubject(server: FieldServer, python: string): Subject {
  return { label: server.label, start: (model, limits) => startServer(server, python, model, limits) };
}

async function startServer(
  server: FieldServer,
  python: string,
  model: ModelFiles,
  limits: Limits | undefined,
): Promise<RunningSubject> {
  const [port = 0, ...sparePorts] = await freePorts(4);
  const work = mkdtempSync(path.join(tmpdir(), "field-"));
  const logFile = path.join(work, "output.log");
  const log = openSync(logFile, "w");
  const child = spawn(python, [path.join(serverFolder(server), "start.py")], {
    cwd: work,
    // The leader of a group of its own, so that its whole tree can be told from ours.
    detached: true,
    stdio: ["ignore", log, log],
    env: {
      ...process.env,
      // Some write settings and tokens into the user's home.
      HOME: work,
      PYTHONDONTWRITEBYTECODE: "1",
      OMP_NUM_THREADS: "1",
      FIELD_MODEL: model.file,
      FIELD_PORT: String(port),
      FIELD_SPARE_PORTS: sparePorts.join(","),
      FIELD_WORK: work,
      FIELD_MAX_BATCH: String(MAX_BATCH),
      FIELD_DEADLINE_MS: String(limits?.deadlineMs ?? 0),
      FIELD_CAPACITY: String(Math.floor(limits?.capacity ?? 0)),
    },
  });
  closeSync(log);
  let failure: string | undefined;
  child.once("error", (error) => {
    failure = error.message;
  });
  child.once("exit", (code, signal) => {
    failure ??= `it ended with ${code ?? signal}`;
  });
  const failureSoFar = () => failure && `${failure}: ${readFileSync(logFile, "utf8").slice(-KEPT_OUTPUT)}`;
  const endNow = () => killTree(child);
  const interrupted = (signal: NodeJS.Signals) => {
    endNow();
    process.kill(process.pid, signal);
  };
  process.once("exit", endNow);
  process.once("SIGINT", interrupted);
  process.once("SIGTERM", interrupted);
  const stop = async () => {
    await endTree(child);
    process.off("exit", endNow);
    process.off("SIGINT", interrupted);
    process.off("SIGTERM", interrupted);
    rmSync(work, { recursive: true, force: true, maxRetries: 3 });
  };
  return answering({ port, pid: child.pid, stop }, model, failureSoFar);
}

/** The subject once it gives the model's answer; stopped when it does not. */
async function answering(
  subject: RunningSubject,
  { request, expected }: ModelFiles,
  failure: () => string | undefined,
): Promise<RunningSubject> {
  const giveUpAt = performance.now() + READY_WITHIN_MS;
  let fault: string | undefined = "no answer yet";
  while (fault !== undefined) {
    const ended = failure();
    if (ended !== undefined || performance.now() > giveUpAt) {
      await subject.stop();
      throw new Error(ended ?? fault);
    }
    await delay(100);
    fault = await ask(subject.port, bodyOf(request), expected);
  }
  return subject;
}

async function ask(port: number, body: Buffer, expected: Float32Array): Promise<string | undefined> {
  try {
    const reply = await fetch(`http://127.0.0.1:${port}/v2/models/bench/infer`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: new Uint8Array(body),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await reply.text();
    return reply.status === 200 ? faultOf(text, expected) : `status ${reply.status}: ${text.slice(0, 200)}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
