import { availableParallelism, homedir, hostname } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { nodeLabel, nodeUrl } from "../shared/protocol/pool-node.ts";
import { parseSigningKeys, type SigningKey } from "../shared/protocol/signing.ts";
import { reachableOrigin } from "./announce/reachable-origin.ts";
import { type RemotePlace, readModelPlaces } from "./repository/sources/remote-models.ts";
import { startLimit } from "./start-limit.ts";

const port = z.coerce.number().int().min(0).max(65_535);

const origin = z
  .string()
  .refine((text) => nodeUrl.safeParse(text).success, "must be http://host:port or https://host, and nothing more")
  .transform((text) => new URL(text).origin);

const settingsSchema = z
  .object({
    host: z.string().default("127.0.0.1"),
    port: port.default(8000),
    "ops-host": z.string().default("127.0.0.1"),
    "ops-port": port.default(8002),
    models: z.array(z.string().min(1)).min(1, "name at least one folder or source with --models"),
    "pool-auth": z.enum(["signed", "open"]).default("signed"),
    provider: z.enum(["cpu", "cuda", "prefer-cuda"]).default("cpu"),
    device: z.coerce.number().int().min(0).max(63).default(0),
    "node-name": nodeLabel.optional(),
    hardware: nodeLabel.optional(),
    "announce-to": origin.optional(),
    "advertise-url": origin.optional(),
    slots: z.coerce.number().int().min(1).max(256).optional(),
    "compute-threads": z.coerce.number().int().min(1).max(256).default(1),
    "max-queue-ms": z.coerce.number().int().min(1).max(600_000).default(2_000),
    "max-queue-items": z.coerce.number().int().min(1).max(1_000_000).default(4_096),
    "max-queue-bytes": z.coerce
      .number()
      .int()
      .min(1024)
      .default(512 * 1024 ** 2),
    "max-body-bytes": z.coerce
      .number()
      .int()
      .min(1024)
      .max(1024 ** 3)
      .default(64 * 1024 ** 2),
    "models-cache": z.string().min(1).optional(),
    "models-cache-bytes": z.coerce
      .number()
      .int()
      .min(1024)
      .default(50 * 1024 ** 3),
    "models-poll-ms": z.coerce
      .number()
      .int()
      .max(86_400_000)
      .refine((ms) => ms === 0 || ms >= 1_000, "must be 0, which is never, or at least 1000")
      .default(60_000),
    "device-memory-bytes": z.coerce.number().int().min(1).optional(),
    "memory-limit-bytes": z.coerce
      .number()
      .int()
      .min(16 * 1024 ** 2)
      .optional(),
    probe: z.enum(["on", "off"]).default("on"),
    "probe-limit-ms": z.coerce.number().int().min(100).max(3_600_000).default(120_000),
    "load-limit-ms": z.coerce
      .number()
      .int()
      .max(86_400_000)
      .refine((ms) => ms === 0 || ms >= 1_000, "must be 0, which is no limit, or at least 1000")
      .default(600_000),
    "poll-ms": z.coerce
      .number()
      .int()
      .max(3_600_000)
      .refine((ms) => ms === 0 || ms >= 100, "must be 0, which is never, or at least 100")
      .default(0),
    "run-limit-ms": z.coerce.number().int().min(100).max(3_600_000).default(30_000),
    "alive-limit-ms": z.coerce
      .number()
      .int()
      .max(3_600_000)
      .refine((ms) => ms === 0 || ms >= 100, "must be 0, which is no limit, or at least 100")
      .default(20_000),
    // For the supervisor, which reads it by itself (`start-limit.ts`).
    "start-limit-ms": startLimit,
    "leave-ms": z.coerce.number().int().min(0).max(60_000).default(2_000),
    "drain-ms": z.coerce.number().int().min(0).max(600_000).default(15_000),
    "log-level": z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
  })
  .refine((given) => given["pool-auth"] === "signed" || isLoopback(given.host), {
    message: "--pool-auth open is for tools on this machine: it is refused on anything but a loopback address",
  })
  .refine((given) => given["announce-to"] || !given["advertise-url"], {
    message: "--advertise-url is told to the edge that --announce-to names; there is none",
  })
  .refine((given) => !given["announce-to"] || given["advertise-url"] || reachableOrigin(given.host, given.port), {
    message: "--announce-to needs --advertise-url with this --host, which is no address to send requests to",
  });

/** To whom a serving process announces itself, and as what. */
export interface AnnouncingSettings {
  /** Origin of the edge. */
  readonly edge: string;
  /** Where the edge reaches this process; undefined: where it listens. */
  readonly url: string | undefined;
  readonly key: SigningKey;
}

/** What one serving process is told; from the command line, but for the keys, which only the environment may hold. */
export interface PoolSettings {
  readonly host: string;
  readonly port: number;
  readonly opsHost: string;
  readonly opsPort: number;
  /** Cache folders of remote sources included. */
  readonly modelFolders: readonly string[];
  /** What is brought to some of these from elsewhere. */
  readonly modelRemotes: readonly RemotePlace[];
  /** Bytes that the versions of one source may take in its cache folder. */
  readonly modelsCacheBytes: number;
  /** From the end of one look at a source to the next, in milliseconds; 0: only at the start. */
  readonly modelsPollMs: number;
  /** Undefined: requests need no signature. */
  readonly signingKeys: SigningKeys | undefined;
  /** Undefined: it announces itself to nobody. */
  readonly announcing: AnnouncingSettings | undefined;
  readonly provider: "cpu" | "cuda";
  /** Whether nothing is to start where the provider cannot be used; else models run on the CPU. */
  readonly providerRequired: boolean;
  readonly deviceId: number;
  /** What this process is called among its neighbours. */
  readonly nodeName: string;
  /** The class of hardware that routes ask for. */
  readonly hardware: string;
  /** Runs that the device takes at once. */
  readonly slots: number;
  /** Threads that one run may use. */
  readonly computeThreads: number;
  /** What may wait for the device: predicted milliseconds, requests, bytes of their inputs. */
  readonly maxQueueMs: number;
  readonly maxQueueItems: number;
  readonly maxQueueBytes: number;
  readonly maxBodyBytes: number;
  /** Memory of the device that models may take together; undefined: what a GPU has free, of a CPU's whatever there is. */
  readonly deviceMemoryBytes: number | undefined;
  /** Memory that this process may have; undefined: what its container or machine has. */
  readonly memoryLimitBytes: number | undefined;
  /** Whether new artefacts are tried in a process of their own before they are loaded. */
  readonly probe: boolean;
  /** How long that may take, in milliseconds. */
  readonly probeLimitMs: number;
  /** How long loading and warming a model may take in the serving process, in milliseconds; 0: for ever. */
  readonly loadLimitMs: number;
  /** How often the repository is looked at for changes, in milliseconds; 0: never. */
  readonly pollMs: number;
  /** Time before which no run counts as hung, in milliseconds. */
  readonly runLimitMs: number;
  /** How long the supervisor waits for a word of this process before it kills it, in milliseconds; 0: for ever. */
  readonly aliveLimitMs: number;
  /** How long a stopping process still takes requests after its goodbye: for as long as edges may not have heard of it. */
  readonly leaveMs: number;
  /** How long a stopping process may take to answer what it has taken in, in milliseconds. */
  readonly drainMs: number;
  readonly logLevel: string;
}

/** @throws Error whose message says which option is wrong; never shows a key */
export function readSettings(args: readonly string[], environment: NodeJS.ProcessEnv): PoolSettings {
  const option = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      host: option,
      port: option,
      "ops-host": option,
      "ops-port": option,
      models: { type: "string", multiple: true },
      "pool-auth": option,
      provider: option,
      device: option,
      "node-name": option,
      hardware: option,
      "announce-to": option,
      "advertise-url": option,
      slots: option,
      "compute-threads": option,
      "max-queue-ms": option,
      "max-queue-items": option,
      "max-queue-bytes": option,
      "max-body-bytes": option,
      "models-cache": option,
      "models-cache-bytes": option,
      "models-poll-ms": option,
      "device-memory-bytes": option,
      "memory-limit-bytes": option,
      probe: option,
      "probe-limit-ms": option,
      "load-limit-ms": option,
      "poll-ms": option,
      "run-limit-ms": option,
      "alive-limit-ms": option,
      "start-limit-ms": option,
      "leave-ms": option,
      "drain-ms": option,
      "log-level": option,
    },
  });
  const parsed = settingsSchema.safeParse(values);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) =>
      path.length > 0 ? `--${path.join(".")}: ${message}` : message,
    );
    throw new Error(faults.join("\n"));
  }
  const given = parsed.data;
  const cacheRoot = given["models-cache"] ?? usualCacheRoot(environment);
  const { folders, remotes } = readModelPlaces(given.models, environment, cacheRoot);
  const provider = given.provider === "cpu" ? "cpu" : "cuda";
  const edge = given["announce-to"];
  const open = given["pool-auth"] === "open";
  // An open pool that announces itself has to sign too: the edge takes no other word.
  const keys = open && edge === undefined ? undefined : readKeys(environment.POOL_SIGNING_KEYS);
  return {
    host: given.host,
    port: given.port,
    opsHost: given["ops-host"],
    opsPort: given["ops-port"],
    modelFolders: folders,
    modelRemotes: remotes,
    modelsCacheBytes: given["models-cache-bytes"],
    modelsPollMs: given["models-poll-ms"],
    signingKeys: open ? undefined : keys,
    announcing: keys && edge !== undefined ? { edge, url: given["advertise-url"], key: keys[0] } : undefined,
    provider,
    providerRequired: given.provider !== "prefer-cuda",
    deviceId: given.device,
    nodeName: given["node-name"] ?? nodeNameOf(hostname(), given.port || process.pid),
    hardware: given.hardware ?? provider,
    slots: given.slots ?? (provider === "cuda" ? 1 : availableParallelism()),
    computeThreads: given["compute-threads"],
    maxQueueMs: given["max-queue-ms"],
    maxQueueItems: given["max-queue-items"],
    maxQueueBytes: given["max-queue-bytes"],
    maxBodyBytes: given["max-body-bytes"],
    deviceMemoryBytes: given["device-memory-bytes"],
    memoryLimitBytes: given["memory-limit-bytes"],
    probe: given.probe === "on",
    probeLimitMs: given["probe-limit-ms"],
    loadLimitMs: given["load-limit-ms"],
    pollMs: given["poll-ms"],
    runLimitMs: given["run-limit-ms"],
    aliveLimitMs: given["alive-limit-ms"],
    leaveMs: given["leave-ms"],
    drainMs: given["drain-ms"],
    logLevel: given["log-level"],
  };
}

/** Several processes on one machine differ in their ports, and where the system picks those in their ids. */
function nodeNameOf(host: string, port: number): string {
  const name = host
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replace(/^-/, "")
    .slice(0, 50);
  return `${name || "node"}-${port}`;
}

type SigningKeys = ReturnType<typeof parseSigningKeys>;

function readKeys(text: string | undefined): SigningKeys {
  if (!text) {
    const use = "--pool-auth signed and --announce-to need it, written id:base64url-secret";
    throw new Error(`the environment variable POOL_SIGNING_KEYS is not set; ${use}`);
  }
  try {
    return parseSigningKeys(text);
  } catch (error) {
    throw new Error(`POOL_SIGNING_KEYS: ${error instanceof RangeError ? error.message : "it cannot be read"}`);
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** As the XDG Base Directory Specification has it. */
function usualCacheRoot({ XDG_CACHE_HOME: given }: NodeJS.ProcessEnv): string {
  return join(given || join(homedir(), ".cache"), "warmgate", "models");
}
