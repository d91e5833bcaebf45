/**
 * Serves a Worker on one machine, under the workerd that Cloudflare runs, by a socket straight to it. `wrangler dev` is
 * for editing: its proxy ends near 450 requests a second on two cores.
 */
import { convertV4MiniflareOptions, Miniflare, type V4MiniflareOptions } from "miniflare";
import { bundleWorker } from "./bundle.ts";

type WorkerOptions = Extract<V4MiniflareOptions, { readonly workers: unknown }>["workers"][number];

export interface WorkerServerOptions {
  readonly name: string;
  /** The Worker's entry file. */
  readonly entry: string;
  readonly host: string;
  readonly port: number;
  /** Compatibility date, bindings and what else the Worker is given. */
  readonly worker: Partial<WorkerOptions>;
  /** Where Durable Objects keep their state; undefined: in memory. */
  readonly stateFolder?: string;
  /** Where the Worker answers a debugger; unless given, nowhere. */
  readonly inspectorPort?: number | undefined;
  /** Each line that the Worker logs. */
  readonly log: (line: string) => void;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Bundles and serves a Worker; `dispose` of what comes back ends it. */
export async function serveWorker(options: WorkerServerOptions): Promise<Miniflare> {
  const before = new Map(SIGNALS.map((signal) => [signal, process.listeners(signal)]));
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      // Without it Miniflare asks a server outside for the properties of requests.
      cf: false,
      ...(options.stateFolder === undefined ? {} : { resourcePersistencePath: options.stateFolder }),
      ...(options.inspectorPort === undefined ? {} : { inspectorPort: options.inspectorPort }),
      handleStructuredLogs: ({ message }) => options.log(message),
      workers: [
        {
          ...options.worker,
          name: options.name,
          modules: [{ type: "ESModule", path: "index.js", contents: await bundleWorker(options.entry) }],
          unsafeDirectSockets: [{ host: options.host, port: options.port }],
        },
      ],
    }),
  );
  await miniflare.ready;
  // Miniflare would end this process at the first signal; what is stopped, and in which order, is its caller's to say.
  for (const signal of SIGNALS) {
    for (const listener of process.listeners(signal)) {
      if (!before.get(signal)?.includes(listener)) process.off(signal, listener);
    }
  }
  return miniflare;
}
