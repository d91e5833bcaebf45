/** The whole of Warmgate for a test: real workerd, a real pool, ports and state of its own. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { recordOf } from "../../infra/cli/local-tenants.ts";
import { freePorts } from "../../infra/cli/ports.ts";
import { type Stack, type StackOptions, startStack } from "../../infra/cli/stack.ts";
import { createApiKey, formatApiKey, importPepper } from "../../shared/protocol/api-key.ts";

export const PROJECT = join(import.meta.dirname, "..", "..");

export interface TestStack extends Stack {
  /** A key with these scopes, known to the edge from now on. */
  addKey(scopes: readonly string[], expiresAt?: number): Promise<string>;
  /** A key in the right format that the edge has never heard of. */
  unknownKey(): Promise<string>;
  edgeLog(): string;
}

export async function startTestStack(
  modelFolders: readonly string[],
  options: Partial<Pick<StackOptions, "clientAddressHeader" | "adminHost" | "stateFolder">> = {},
): Promise<TestStack> {
  const stateFolder = options.stateFolder ?? mkdtempSync(join(tmpdir(), "warmgate-test-"));
  const [edgePort = 0, poolPort = 0, opsPort = 0] = await freePorts(3);
  const stack = await startStack({
    edgePort,
    poolPort,
    opsPort,
    modelFolders: modelFolders.map((folder) => resolve(PROJECT, folder)),
    poolAuth: "signed",
    provider: "cpu",
    ...options,
    stateFolder,
  });
  await stack.ready;
  const secrets = JSON.parse(readFileSync(join(stateFolder, "secrets.json"), "utf8"));
  const pepper = await importPepper(secrets.apiKeyPepper);
  const newKey = () => createApiKey("local", pepper, (bytes) => crypto.getRandomValues(bytes));
  return {
    ...stack,
    async addKey(scopes, expiresAt) {
      const key = await newKey();
      const about = { tenant: "demo", name: "", scopes: [...scopes], createdAt: Date.now() };
      const record = await recordOf(key, pepper, { ...about, expiresAt: expiresAt ?? null });
      await stack.controlPlane.seed({ tenants: [], keys: [record] });
      return formatApiKey(key);
    },
    unknownKey: async () => formatApiKey(await newKey()),
    edgeLog: () => readFileSync(join(stateFolder, "edge.log"), "utf8"),
    async stop() {
      await stack.stop();
      if (options.stateFolder === undefined) rmSync(stateFolder, { recursive: true, force: true });
    },
  };
}
