/** The pool as a child of the command line: started, listened to, stopped. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { z } from "zod";
import { type SupervisorMessage, supervisorMessage } from "../../gpu-pool/process-messages.ts";

export interface PoolProcessOptions {
  readonly supervisorFile: string;
  readonly arguments: readonly string[];
  readonly signingKeys: string;
  /** Every line that the pool logs. */
  readonly onLine: (line: string) => void;
  /** Each time a serving process is up and warm, the first time and after each restart. */
  readonly onReady: (serving: { readonly pid: number; readonly port: number; readonly opsPort: number }) => void;
  /** When the pool is gone for good without having been stopped. */
  readonly onFailed: (reason: string) => void;
}

export interface PoolProcess {
  readonly pid: number;
  /** Lets the pool answer what it has taken in; resolves when all of it is gone. */
  stop(): Promise<void>;
}

export function startPool(options: PoolProcessOptions): PoolProcess {
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", options.supervisorFile, ...options.arguments],
    {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...process.env, POOL_SIGNING_KEYS: options.signingKeys },
      // A process group of its own: Ctrl-C is for the command line, which then stops the pool in order.
      detached: true,
    },
  );
  let stopping = false;
  let lastWords = "";
  forwardLines(child, (line) => {
    if (!line.startsWith("{")) lastWords = line;
    options.onLine(line);
  });
  let failed = false;
  const fail = (reason: string) => {
    if (failed || stopping) return;
    failed = true;
    options.onFailed(lastWords || reason);
  };
  child.on("message", (message) => {
    const parsed = supervisorMessage.safeParse(message);
    if (parsed.success) receive(parsed.data, options, fail);
  });
  const exited = new Promise<void>((resolve) => {
    child.on("error", (error) => {
      fail(error.message);
      resolve();
    });
    child.on("close", () => {
      fail("the pool's supervisor ended");
      resolve();
    });
  });
  return {
    pid: z.int().parse(child.pid),
    stop() {
      stopping = true;
      child.kill("SIGTERM");
      return exited;
    },
  };
}

function receive(message: SupervisorMessage, options: PoolProcessOptions, fail: (reason: string) => void): void {
  if (message.kind === "ready") options.onReady(message);
  else fail(message.reason);
}

function forwardLines(child: ChildProcess, onLine: (line: string) => void): void {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on("line", onLine);
  }
}
