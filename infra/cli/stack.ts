/**
 * Edge and pool side by side on one machine, as the command line and the tests run them.
 *
 * Promises: `ready` resolves when a request has come back through edge and pool; what runs is written to run.json and
 * kept true across restarts of the serving process; `stop` leaves no process behind; when the program that started
 * the stack dies, so do its parts.
 */

import { z } from "zod";
import { type LocalControlPlane, startEdgeServer } from "../workerd/edge-server.ts";
import { CappedLog } from "./capped-log.ts";
import { exampleRequest } from "./example-request.ts";
import { seedLocalTenants } from "./local-tenants.ts";
import { startPool } from "./pool-process.ts";
import { requireFreePorts } from "./ports.ts";
import { PROJECT_ROOT, StateFolder } from "./state-folder.ts";
import { UsageError } from "./usage-error.ts";

export interface StackOptions {
  readonly edgePort: number;
  readonly poolPort: number;
  readonly opsPort: number;
  readonly modelFolders: readonly string[];
  readonly poolAuth: "signed" | "open";
  readonly provider: "cpu" | "cuda" | "prefer-cuda";
  /** Further options of the pool's command line. */
  readonly poolOptions?: readonly string[];
  readonly stateFolder: string;
  /** The header in which a proxy in front of the edge says whom a request is from. */
  readonly clientAddressHeader?: string | undefined;
  /** The only host that answers /admin; every host unless given. */
  readonly adminHost?: string | undefined;
  /** A Worker's entry file other than wrangler.toml's, for measuring parts of it. */
  readonly edgeEntry?: string | undefined;
}

export interface Stack {
  readonly edgeUrl: string;
  readonly poolUrl: string;
  readonly opsUrl: string;
  readonly poolAuth: "signed" | "open";
  readonly stateFolder: string;
  readonly demoKey: string;
  readonly adminKey: string;
  /** The edge's control plane, for adding tenants and keys. */
  readonly controlPlane: LocalControlPlane;
  /** Resolves when requests are answered. */
  readonly ready: Promise<void>;
  /** Rejects with a UsageError if the pool is gone for good. Never resolves. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

const HOST = "127.0.0.1";
const ENVIRONMENT = "local";
/** pino's number for warnings: what the person who started the stack should see. */
const WARNING = 40;

/** @throws UsageError when a port is taken or the pool cannot start as configured */
export async function startStack(options: StackOptions): Promise<Stack> {
  await requireFreePorts(HOST, [
    { option: "--edge-port", what: "edge", port: options.edgePort },
    { option: "--pool-port", what: "pool", port: options.poolPort },
    { option: "--ops-port", what: "pool operations", port: options.opsPort },
  ]);
  const folder = new StateFolder(options.stateFolder);
  const secrets = folder.secrets();
  const poolLog = new CappedLog(folder.file("pool.log"));
  const edgeLog = new CappedLog(folder.file("edge.log"));
  const edgeUrl = `http://${HOST}:${options.edgePort}`;
  const poolUrl = `http://${HOST}:${options.poolPort}`;
  const opsUrl = `http://${HOST}:${options.opsPort}`;
  folder.clearRunning();

  const poolReady = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const startedAt = new Date().toISOString();
  const pool = startPool({
    supervisorFile: `${PROJECT_ROOT}gpu-pool/supervisor.ts`,
    arguments: [
      ...["--host", HOST, "--port", String(options.poolPort), "--ops-port", String(options.opsPort)],
      ...["--pool-auth", options.poolAuth, "--provider", options.provider, "--announce-to", edgeUrl],
      // There is no other node that requests could go to meanwhile.
      ...["--leave-ms", "0"],
      ...options.modelFolders.flatMap((models) => ["--models", models]),
      ...["--models-cache", folder.file("models")],
      ...(options.poolOptions ?? []),
    ],
    signingKeys: secrets.poolSigningKeys,
    onLine: (line) => {
      poolLog.write(line);
      const warning = readWarning(line);
      if (warning) console.error(`pool: ${warning}`);
    },
    onReady: ({ pid }) => {
      folder.writeRunning({
        edge: { url: edgeUrl },
        pool: { url: poolUrl, auth: options.poolAuth },
        operations: { url: opsUrl },
        pids: { cli: process.pid, supervisor: pool.pid, serving: [pid] },
        startedAt,
      });
      poolReady.resolve();
    },
    onFailed: (reason) => failed.reject(new UsageError(`The pool does not run: ${reason}`)),
  });

  const stopPool = async () => {
    await pool.stop();
    folder.clearRunning();
  };
  try {
    const edge = await startEdgeServer({
      host: HOST,
      port: options.edgePort,
      poolSigningKeys: secrets.poolSigningKeys,
      apiKeyPepper: secrets.apiKeyPepper,
      environment: ENVIRONMENT,
      clientAddressHeader: options.clientAddressHeader,
      adminHost: options.adminHost,
      entry: options.edgeEntry,
      stateFolder: folder.file("edge-state"),
      log: (line) => edgeLog.write(line),
    });
    const keys = await seedLocalTenants(edge.controlPlane, folder, secrets.apiKeyPepper, ENVIRONMENT);
    return {
      edgeUrl,
      poolUrl,
      opsUrl,
      poolAuth: options.poolAuth,
      stateFolder: options.stateFolder,
      demoKey: keys.demo,
      adminKey: keys.admin,
      controlPlane: edge.controlPlane,
      ready: Promise.race([
        poolReady.promise.then(() => untilEdgeReady(edgeUrl)).then(() => rehearse(edgeUrl, opsUrl, keys.demo)),
        failed.promise,
      ]),
      failed: failed.promise,
      async stop() {
        // The pool first: it says goodbye to the edge, and answers what it has taken in.
        await stopPool();
        await edge.dispose();
        poolLog.flush();
        edgeLog.flush();
      },
    };
  } catch (error) {
    await stopPool();
    throw error;
  }
}

/** The edge answers `/readyz` with 200 when the pool behind it is ready. */
async function untilEdgeReady(url: string): Promise<void> {
  for (;;) {
    const reply = await fetch(`${url}/readyz`).catch(() => undefined);
    await reply?.body?.cancel();
    if (reply?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const REHEARSALS = 96;
const LONGEST_REHEARSAL_MS = 2_000;
const indexSchema = z.array(z.object({ name: z.string(), state: z.string() }));

/** Sends requests the whole way before anybody is told that they may: the first caller's is then not the first. */
async function rehearse(edgeUrl: string, opsUrl: string, key: string): Promise<void> {
  const giveUpAt = performance.now() + LONGEST_REHEARSAL_MS;
  const index = indexSchema.parse(await (await fetch(`${opsUrl}/models`)).json());
  const model = index.find(({ state }) => state === "READY")?.name;
  if (model === undefined) return;
  const body = await exampleRequest(edgeUrl, key, model);
  // Not from the cache: the whole way is what is rehearsed.
  const headers = {
    authorization: `Bearer ${key}`,
    "content-type": "application/json",
    "cache-control": "no-store",
  };
  for (let sent = 0; sent < REHEARSALS && performance.now() < giveUpAt; sent++) {
    const reply = await fetch(`${edgeUrl}/v2/models/${model}/infer`, { method: "POST", headers, body });
    await reply.arrayBuffer();
  }
}

/** A log line's text in plain words if it is a warning or worse, or is no log line at all. */
function readWarning(line: string): string | undefined {
  if (!line.startsWith("{")) return line;
  const entry: unknown = JSON.parse(line);
  if (typeof entry !== "object" || entry === null || !("level" in entry) || !("msg" in entry)) return undefined;
  if (typeof entry.level !== "number" || entry.level < WARNING) return undefined;
  const about = ["model", "version", "request_id", "code", "reason", "outputs", "signal"]
    .filter((name) => Object.hasOwn(entry, name))
    .map((name) => `${name}=${JSON.stringify(Object.entries(entry).find(([key]) => key === name)?.[1])}`);
  return [String(entry.msg), ...about].join(" ");
}
