/** The tenants that a stack on one machine starts with: `demo`, to try it, and `operator`, whose key administers it. */
import {
  type ApiKey,
  type ApiKeyRecord,
  createApiKey,
  formatApiKey,
  importPepper,
  parseApiKey,
  secretDigest,
} from "../../shared/protocol/api-key.ts";
import { DEFAULT_PLAN, type Tenant } from "../../shared/protocol/tenant.ts";
import { UNLIMITED } from "../../shared/protocol/tenant-limits.ts";
import type { LocalControlPlane } from "../workerd/edge-server.ts";
import type { StateFolder } from "./state-folder.ts";

export interface LocalKeys {
  readonly demo: string;
  readonly admin: string;
}

const FILES = { demo: "demo-key", admin: "admin-key" } as const;

/**
 * Puts both tenants and their keys into the control plane, unless they are there: what was changed since stays changed. The keys of
 * an earlier start are kept, so what was pasted yesterday works today.
 *
 * @returns the keys, which are also in the state folder
 */
export async function seedLocalTenants(
  controlPlane: LocalControlPlane,
  folder: StateFolder,
  pepper: string,
  environment: string,
): Promise<LocalKeys> {
  const hmacKey = await importPepper(pepper);
  const createdAt = Date.now();
  const tenant = (id: string, operator: boolean): Tenant => ({
    ...{ id, operator, createdAt },
    ...{ plan: DEFAULT_PLAN, limits: UNLIMITED, suspended: false },
  });
  const demo = await keptOrNew(folder.readKey(FILES.demo), environment, hmacKey);
  const admin = await keptOrNew(folder.readKey(FILES.admin), environment, hmacKey);
  await controlPlane.seed({
    tenants: [tenant("demo", false), tenant("operator", true)],
    keys: [
      await recordOf(demo, hmacKey, {
        tenant: "demo",
        name: "made at the first start",
        scopes: ["predict:*"],
        createdAt,
      }),
      await recordOf(admin, hmacKey, {
        tenant: "operator",
        name: "made at the first start",
        scopes: ["admin"],
        createdAt,
      }),
    ],
  });
  const keys = { demo: formatApiKey(demo), admin: formatApiKey(admin) };
  folder.writeKey(FILES.demo, keys.demo);
  folder.writeKey(FILES.admin, keys.admin);
  return keys;
}

/** What the control plane keeps of a key. */
export async function recordOf(
  key: ApiKey,
  pepper: Parameters<typeof secretDigest>[0],
  about: Pick<ApiKeyRecord, "tenant" | "name" | "scopes" | "createdAt"> & Partial<ApiKeyRecord>,
): Promise<ApiKeyRecord> {
  const digest = await secretDigest(pepper, key);
  if (!digest) throw new Error("the key was made with another pepper");
  return {
    kid: key.kid,
    environment: key.environment,
    secretDigests: [{ digest: Buffer.from(digest).toString("base64"), notAfter: null }],
    limits: {},
    expiresAt: null,
    revokedAt: null,
    lastUsedAt: null,
    ...about,
  };
}

/** A key that this machine's pepper did not make is of no use any more. */
async function keptOrNew(
  text: string | undefined,
  environment: string,
  pepper: Parameters<typeof secretDigest>[0],
): Promise<ApiKey> {
  const kept = parseApiKey(text ?? "");
  if (kept?.environment === environment && (await secretDigest(pepper, kept))) return kept;
  return createApiKey(environment, pepper, (bytes) => crypto.getRandomValues(bytes));
}
