/**
 * The edge on one machine: the Worker of wrangler.toml with this machine's addresses and secrets.
 *
 * Promises: bindings and compatibility date are those of wrangler.toml; Durable Object state is kept on disk.
 */
import { join } from "node:path";
import { unstable_getMiniflareWorkerOptions } from "wrangler";
import type { ApiKeyRecord } from "../../shared/protocol/api-key.ts";
import type { Tenant } from "../../shared/protocol/tenant.ts";
import { serveWorker } from "./worker-server.ts";

export interface EdgeServerOptions {
  readonly host: string;
  readonly port: number;
  /** Origins of the pool's nodes; without them nodes announce themselves. */
  readonly poolNodes?: readonly string[] | undefined;
  readonly poolSigningKeys: string;
  readonly apiKeyPepper: string;
  readonly environment: string;
  /** The header in which a proxy in front says whom a request is from; without it there is no shield by address. */
  readonly clientAddressHeader?: string | undefined;
  /** The only host that answers /admin; every host unless given. */
  readonly adminHost?: string | undefined;
  /** The Worker's entry file; wrangler.toml's unless given. */
  readonly entry?: string | undefined;
  /** Where the Durable Objects keep their state. */
  readonly stateFolder: string;
  /** Where the Worker answers a debugger; unless given, nowhere. */
  readonly inspectorPort?: number | undefined;
  /** What the Worker logs: one or more lines. */
  readonly log: (line: string) => void;
}

export interface EdgeServer {
  readonly url: string;
  readonly controlPlane: LocalControlPlane;
  dispose(): Promise<void>;
}

/** The control plane's methods as they can be called from outside the Worker on this machine. */
export interface LocalControlPlane {
  seed(given: { readonly tenants: readonly Tenant[]; readonly keys: readonly ApiKeyRecord[] }): Promise<void>;
}

/** The one object that the Worker asks. */
const CONTROL_PLANE_NAME = "main";
const configuration = join(import.meta.dirname, "..", "..", "wrangler.toml");

export async function startEdgeServer(options: EdgeServerOptions): Promise<EdgeServer> {
  const { main, workerOptions } = unstable_getMiniflareWorkerOptions(configuration);
  if (main === undefined) throw new Error("wrangler.toml names no main");
  const { host, port, stateFolder, inspectorPort, log, entry = main } = options;
  const bindings = {
    ENVIRONMENT: options.environment,
    ...(options.poolNodes === undefined ? {} : { POOL_NODES: options.poolNodes.join() }),
    POOL_SIGNING_KEYS: options.poolSigningKeys,
    API_KEY_PEPPER: options.apiKeyPepper,
    LOG_LINES_PER_WRITE: "64",
    ...(options.clientAddressHeader === undefined ? {} : { CLIENT_ADDRESS_HEADER: options.clientAddressHeader }),
    ...(options.adminHost === undefined ? {} : { ADMIN_HOST: options.adminHost }),
  };
  const worker = { ...workerOptions, bindings };
  const server = await serveWorker({
    ...{ name: "warmgate-edge", entry, host, port, worker, stateFolder, inspectorPort, log },
  });
  const namespace = await server.getDurableObjectNamespace("CONTROL_PLANE");
  // A stub is a proxy that takes every call; what it is sent is checked by the object itself.
  const controlPlane = namespace.get(namespace.idFromName(CONTROL_PLANE_NAME)) as unknown as LocalControlPlane;
  return { url: `http://${host}:${port}`, controlPlane, dispose: () => server.dispose() };
}
