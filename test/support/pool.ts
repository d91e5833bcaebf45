/**
 * A real pool for a test: supervisor and serving process as children, on ports that the system picks.
 *
 *     const pool = await startPool({ models: [TEST_MODELS.basic] });
 *     after(() => pool.stop());
 *     await fetch(`${pool.url}/v2/health/ready`);
 *
 * With TEST_PROVIDER=cuda in the environment its models run on the GPU, unless the test says otherwise.
 *
 * Everything waits for a message, an exit or a condition, never for a time to pass; everything gives up in time.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { finished } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { until, within } from "./until.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Model folders that the tests have at hand. */
export const TEST_MODELS = {
  digits: `${ROOT}gpu-pool/models`,
  basic: `${ROOT}test/models/basic`,
  exporters: `${ROOT}test/models/exporters`,
  hostile: `${ROOT}test/models/hostile`,
} as const;

/** Links single models into a folder, for a pool that needs few of them and should start soon. */
export function linkModels(folder: string, ...models: readonly string[]): void {
  for (const model of models) symlinkSync(model, join(folder, basename(model)));
}

export interface PoolOptions {
  readonly models: readonly string[];
  /** Further options of the command line. */
  readonly arguments?: readonly string[];
  /** The value of POOL_SIGNING_KEYS; without it the pool is open. */
  readonly signingKeys?: string;
  /** Variables of the environment beside those of the test's own. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Where one serving process can be reached. */
export interface Serving {
  readonly pid: number;
  readonly port: number;
  readonly opsPort: number;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const readyMessage = z.object({ kind: z.literal("ready"), pid: z.int(), port: z.int(), opsPort: z.int() });
const failedMessage = z.object({ kind: z.literal("failed"), reason: z.string() });

/** A supervisor that has been started; it may or may not get as far as serving. */
export class PoolProcess {
  readonly child: ChildProcess;
  /** How the supervisor ended; resolves when everything that it started has ended too. */
  readonly exit: Promise<Exit>;
  /** Each start of a serving process so far, the present one last. */
  readonly starts: Serving[] = [];
  /** Why the supervisor gave up, once it has. */
  failure: string | undefined;
  /** All that was written to standard output and error. */
  output = "";

  constructor(options: PoolOptions) {
    const auth = options.signingKeys ? "signed" : "open";
    this.child = spawn(
      process.execPath,
      [
        "--disable-warning=ExperimentalWarning",
        `${ROOT}gpu-pool/supervisor.ts`,
        ...options.models.flatMap((folder) => ["--models", folder]),
        ...["--port", "0", "--ops-port", "0", "--pool-auth", auth, "--compute-threads", "1"],
        ...(process.env.TEST_PROVIDER ? ["--provider", process.env.TEST_PROVIDER] : []),
        ...(options.arguments ?? []),
      ],
      {
        stdio: ["ignore", "pipe", "pipe", "ipc"],
        env: { ...process.env, ...options.environment, POOL_SIGNING_KEYS: options.signingKeys ?? "" },
      },
    );
    this.child.stdout?.on("data", (text: Buffer) => {
      this.output += text;
    });
    this.child.stderr?.on("data", (text: Buffer) => {
      this.output += text;
    });
    this.child.on("message", (message) => {
      const ready = readyMessage.safeParse(message);
      if (ready.success) this.starts.push(ready.data);
      const failed = failedMessage.safeParse(message);
      if (failed.success) this.failure = failed.data.reason;
    });
    const outputs = [this.child.stdout, this.child.stderr].filter((stream) => stream !== null);
    const written = Promise.all(outputs.map((stream) => finished(stream)));
    this.exit = once(this.child, "exit").then(async ([code, signal]) => {
      await written;
      return { code, signal };
    });
  }

  /** Waits for the nth start of a serving process to be ready, counted from 1. */
  async started(count: number): Promise<Serving> {
    return until(
      `start ${count} of a serving process`,
      () => {
        if (this.child.exitCode !== null) throw new Error(`the pool ended:\n${this.output}`);
        return this.starts[count - 1];
      },
      60_000,
    );
  }

  get serving(): Serving {
    const serving = this.starts.at(-1);
    if (!serving) throw new Error("no serving process has been ready yet");
    return serving;
  }

  get url(): string {
    return `http://127.0.0.1:${this.serving.port}`;
  }

  get opsUrl(): string {
    return `http://127.0.0.1:${this.serving.opsPort}`;
  }

  /** Stops everything and says how the supervisor ended; without effect on one that has ended. */
  async stop(): Promise<Exit> {
    this.child.kill("SIGTERM");
    try {
      return await within("the pool to stop", this.exit, 30_000);
    } finally {
      this.child.kill("SIGKILL");
    }
  }
}

/** Starts a pool and waits until it is ready. */
export async function startPool(options: PoolOptions): Promise<PoolProcess> {
  const pool = new PoolProcess(options);
  await pool.started(1);
  return pool;
}

/** Whether a process of this id is there, and not only its exit status that nobody has fetched yet. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== "linux" || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
