import { z } from "zod";
import { importPepper } from "../shared/protocol/api-key.ts";
import { nodeUrl } from "../shared/protocol/pool-node.ts";
import { parseSigningKeys } from "../shared/protocol/signing.ts";
import type { ControlPlane } from "./objects/control-plane.ts";
import type { JobStore } from "./objects/job-store.ts";
import type { PoolDirectory } from "./objects/pool-directory.ts";
import type { RolloutController } from "./objects/rollout-controller.ts";
import type { TenantLimiter } from "./objects/tenant-limiter.ts";
import type { UsageLedger } from "./objects/usage-ledger.ts";

/** What wrangler.toml and the deployment's secrets bind. */
export interface Bindings {
  readonly CONTROL_PLANE: DurableObjectNamespace<ControlPlane>;
  readonly TENANT_LIMITER: DurableObjectNamespace<TenantLimiter>;
  readonly USAGE_LEDGER: DurableObjectNamespace<UsageLedger>;
  readonly POOL_DIRECTORY: DurableObjectNamespace<PoolDirectory>;
  readonly ROLLOUT_CONTROLLER: DurableObjectNamespace<RolloutController>;
  readonly JOB_STORE: DurableObjectNamespace<JobStore>;
  /** Coarse shield against floods of failed calls, per address and location; optional. */
  readonly FAILED_CALLS?: RateLimit;
  readonly ENVIRONMENT: string;
  /** Origins of the pool's nodes, separated by commas; without it nodes announce themselves (`routes/announcements.ts`). */
  readonly POOL_NODES?: string;
  /** Secret: `id:base64url[,id:base64url]`; the first signs. */
  readonly POOL_SIGNING_KEYS: string;
  /** Secret: at least 32 bytes in base64url. */
  readonly API_KEY_PEPPER: string;
  readonly MAX_BODY_BYTES?: string;
  /** The header in which the platform, and nobody else, says whom a request is from; without it addresses are unknown. */
  readonly CLIENT_ADDRESS_HEADER?: string;
  /** The only host that answers /admin; every host unless given. */
  readonly ADMIN_HOST?: string;
  /** How many log lines may be written at once; 1 unless given. */
  readonly LOG_LINES_PER_WRITE?: string;
}

/** The bindings, checked and ready to use. */
export interface EdgeSettings {
  readonly environment: string;
  /** Origins of nodes that are asked what they are; undefined where they say it themselves. */
  readonly poolNodes: readonly string[] | undefined;
  /** Of the key that signs. */
  readonly signingKeyId: string;
  readonly signingKey: CryptoKey;
  /** By id; each verifies. */
  readonly signingKeys: ReadonlyMap<string, CryptoKey>;
  readonly pepper: CryptoKey;
  /** Largest request body in bytes, before and after decompression. */
  readonly maxBodyBytes: number;
  readonly clientAddressHeader: string | undefined;
  readonly adminHost: string | undefined;
}

export const DEFAULT_MAX_BODY_BYTES = 16 * 1024 * 1024;

/** More than these announce themselves: each is asked once a second by every data centre. */
const MOST_STATIC_NODES = 32;

const bindingsSchema = z.object({
  ENVIRONMENT: z.string().regex(/^[a-z]{2,8}$/),
  POOL_NODES: z
    .string()
    .transform((text) => text.split(",").map((origin) => origin.trim()))
    .pipe(z.array(nodeUrl).min(1).max(MOST_STATIC_NODES))
    .optional(),
  POOL_SIGNING_KEYS: z.string().min(1),
  API_KEY_PEPPER: z.string().min(43),
  MAX_BODY_BYTES: z.coerce.number().int().min(1024).default(DEFAULT_MAX_BODY_BYTES),
  CLIENT_ADDRESS_HEADER: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/)
    .optional(),
  ADMIN_HOST: z.string().min(1).max(253).optional(),
});

/** The last settings made; values, so any request may use what another one made. */
let memo: { readonly bindings: Bindings; readonly settings: EdgeSettings } | undefined;

/**
 * Checks the bindings, once for each isolate.
 *
 * @throws Error naming the binding that is missing or wrong, never its value
 */
export async function readSettings(bindings: Bindings): Promise<EdgeSettings> {
  if (memo?.bindings === bindings) return memo.settings;
  const parsed = bindingsSchema.safeParse(bindings);
  if (!parsed.success) {
    const names = parsed.error.issues.map((issue) => issue.path.join("."));
    throw new Error(`missing or invalid bindings: ${[...new Set(names)].join(", ")}`);
  }
  const given = parsed.data;
  const keys = parseSigningKeys(given.POOL_SIGNING_KEYS);
  const [{ id: signingKeyId, secret }, ...others] = keys;
  const signingKey = await importSigningKey(secret);
  const signingKeys = new Map([[signingKeyId, signingKey]]);
  for (const key of others) signingKeys.set(key.id, await importSigningKey(key.secret));
  const settings: EdgeSettings = {
    environment: given.ENVIRONMENT,
    poolNodes: given.POOL_NODES,
    ...{ signingKeyId, signingKey, signingKeys },
    pepper: await importPepper(given.API_KEY_PEPPER),
    maxBodyBytes: given.MAX_BODY_BYTES,
    clientAddressHeader: given.CLIENT_ADDRESS_HEADER,
    adminHost: given.ADMIN_HOST,
  };
  memo = { bindings, settings };
  return settings;
}

function importSigningKey(secret: Uint8Array): Promise<CryptoKey> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", Uint8Array.from(secret), algorithm, false, ["sign", "verify"]);
}
