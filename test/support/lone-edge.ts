/** An edge without a pool of its own, for tests in which nodes come and go, or the edge itself does. */
import { join } from "node:path";
import { seedLocalTenants } from "../../infra/cli/local-tenants.ts";
import { freePorts } from "../../infra/cli/ports.ts";
import { StateFolder } from "../../infra/cli/state-folder.ts";
import { startEdgeServer } from "../../infra/workerd/edge-server.ts";

export interface LoneEdge {
  readonly edgeUrl: string;
  readonly adminKey: string;
  readonly stateFolder: string;
  stop(): Promise<void>;
}

export interface LoneEdgeOptions {
  /** A free one unless given. */
  readonly port?: number;
  /** Origins of the only nodes; without them nodes announce themselves. */
  readonly poolNodes?: readonly string[];
  /** What it signs with, if not with the keys of its own folder. */
  readonly signingKeys?: string;
  /** Where it answers a debugger; unless given, nowhere. */
  readonly inspectorPort?: number | undefined;
  /** Told what the Worker logs: one or more lines. */
  readonly log?: (lines: string) => void;
}

/** @param stateFolder what an earlier edge has left there is kept */
export async function startLoneEdge(stateFolder: string, options: LoneEdgeOptions = {}): Promise<LoneEdge> {
  const [freePort = 0] = await freePorts(1);
  const folder = new StateFolder(stateFolder);
  const { apiKeyPepper, poolSigningKeys } = folder.secrets();
  const edge = await startEdgeServer({
    host: "127.0.0.1",
    port: options.port ?? freePort,
    poolNodes: options.poolNodes,
    poolSigningKeys: options.signingKeys ?? poolSigningKeys,
    ...{ apiKeyPepper, environment: "local", stateFolder: join(stateFolder, "edge-state") },
    inspectorPort: options.inspectorPort,
    log: options.log ?? (() => undefined),
  });
  const keys = await seedLocalTenants(edge.controlPlane, folder, apiKeyPepper, "local");
  return { edgeUrl: edge.url, adminKey: keys.admin, stateFolder, stop: () => edge.dispose() };
}
