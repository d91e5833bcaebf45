/**
 * Serves the Worker on one machine, under the workerd that Cloudflare runs, by a socket straight to it. `wrangler dev`
 * is for editing: its proxy ends near 450 requests a second on two cores.
 *
 * Promises: the bindings are those of wrangler.toml; Durable Object state is kept on disk; when the process that
 * started it ends, in whatever way, workerd ends too.
 */
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions } from "wrangler";
import type { ApiKeyRecord } from "../../shared/protocol/api-key.ts";
import { bundleWorker } from "./bundle.ts";

export interface EdgeServerOptions {
  readonly host: string;
  readonly port: number;
  readonly poolUrl: string;
  readonly poolSigningKeys: string;
  readonly apiKeyPepper: string;
  readonly environment: string;
  /** Where the Durable Objects keep their state. */
  readonly stateFolder: string;
  /** Each line that the Worker logs. */
  readonly log: (line: string) => void;
}

export interface EdgeServer {
  readonly url: string;
  readonly controlPlane: LocalControlPlane;
  dispose(): Promise<void>;
}

/** The control plane's methods as they can be called from outside the Worker on this machine. */
export interface LocalControlPlane {
  putTenant(tenant: { readonly id: string; readonly createdAt: number }): Promise<void>;
  putKey(record: ApiKeyRecord): Promise<void>;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** The one object that the Worker asks. */
const CONTROL_PLANE_NAME = "main";
const projectRoot = join(import.meta.dirname, "..", "..");

export async function startEdgeServer(options: EdgeServerOptions): Promise<EdgeServer> {
  const { main, workerOptions } = unstable_getMiniflareWorkerOptions(join(projectRoot, "wrangler.toml"));
  if (main === undefined) throw new Error("wrangler.toml names no main");
  const signalHandlers = handlersOf(SIGNALS);
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      // Without it Miniflare asks a server outside for the properties of requests.
      cf: false,
      durableObjectsPersist: options.stateFolder,
      handleStructuredLogs: ({ message }) => options.log(message),
      workers: [
        {
          ...workerOptions,
          name: "edge",
          bindings: {
            ENVIRONMENT: options.environment,
            POOL_URL: options.poolUrl,
            POOL_SIGNING_KEYS: options.poolSigningKeys,
            API_KEY_PEPPER: options.apiKeyPepper,
          },
          modules: [{ type: "ESModule", path: "index.js", contents: await bundleWorker(main) }],
          unsafeDirectSockets: [{ host: options.host, port: options.port }],
        },
      ],
    }),
  );
  await miniflare.ready;
  // Miniflare would end this process at the first signal; what is stopped, and in which order, is decided by our caller.
  for (const [signal, before] of signalHandlers) {
    for (const handler of process.rawListeners(signal)) {
      if (!before.includes(handler)) process.off(signal, handler as NodeJS.SignalsListener);
    }
  }
  const namespace = await miniflare.getDurableObjectNamespace("CONTROL_PLANE");
  // A stub is a proxy that takes every call; what it is sent is checked by the object itself.
  const controlPlane = namespace.get(namespace.idFromName(CONTROL_PLANE_NAME)) as unknown as LocalControlPlane;
  return { url: `http://${options.host}:${options.port}`, controlPlane, dispose: () => miniflare.dispose() };
}

function handlersOf(signals: readonly NodeJS.Signals[]) {
  return signals.map((signal) => [signal, process.rawListeners(signal)] as const);
}
