import {
  type ApiKey,
  createApiKey,
  formatApiKey,
  importPepper,
  parseApiKey,
  secretDigest,
} from "../../shared/protocol/api-key.ts";
import type { LocalControlPlane } from "../workerd/edge-server.ts";
import type { StateFolder } from "./state-folder.ts";

const TENANT = "demo";

/**
 * Puts the demo tenant and its key into the control plane. The key of an earlier start is kept, so what was pasted
 * yesterday works today.
 *
 * @returns the key, which is also in the state folder's file `demo-key`
 */
export async function seedDemoTenant(
  controlPlane: LocalControlPlane,
  folder: StateFolder,
  pepper: string,
  environment: string,
): Promise<string> {
  const kept = parseApiKey(folder.readDemoKey() ?? "");
  const key: ApiKey =
    kept?.environment === environment ? kept : createApiKey(environment, (bytes) => crypto.getRandomValues(bytes));
  const digest = await secretDigest(await importPepper(pepper), key.secret);
  const now = Date.now();
  await controlPlane.putTenant({ id: TENANT, createdAt: now });
  await controlPlane.putKey({
    kid: key.kid,
    tenant: TENANT,
    environment,
    secretDigests: [{ digest: Buffer.from(digest).toString("base64"), notAfter: null }],
    scopes: ["predict:*"],
    expiresAt: null,
    createdAt: now,
    revokedAt: null,
  });
  const text = formatApiKey(key);
  folder.writeDemoKey(text);
  return text;
}
