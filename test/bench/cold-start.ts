/** From nothing to ready with the models that ship, and whether the first request is as fast as the ones after it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pool } from "undici";
import { freePorts } from "../../infra/cli/ports.ts";
import { startStack } from "../../infra/cli/stack.ts";

const models = join(import.meta.dirname, "..", "..", "gpu-pool", "models");
const FOLLOWING = 1000;

export interface ColdStart {
  readonly readySeconds: number;
  readonly firstMs: number;
  /** Of the thousand requests after the first. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export async function coldStart(): Promise<ColdStart> {
  const stateFolder = mkdtempSync(join(tmpdir(), "warmgate-bench-"));
  const [edgePort = 0, poolPort = 0, opsPort = 0] = await freePorts(3);
  const startedAt = performance.now();
  const stack = await startStack({
    edgePort,
    poolPort,
    opsPort,
    modelFolders: [models],
    poolAuth: "signed",
    provider: "cpu",
    stateFolder,
  });
  try {
    await stack.ready;
    const readySeconds = (performance.now() - startedAt) / 1000;
    const client = new Pool(stack.edgeUrl, { connections: 1 });
    const body = readFileSync(join(models, "digits", "examples", "seven.json"));
    const headers = {
      authorization: `Bearer ${stack.demoKey}`,
      "content-type": "application/json",
      "cache-control": "no-store",
    };
    const predict = async () => {
      const sentAt = performance.now();
      const reply = await client.request({ path: "/v2/models/digits/infer", method: "POST", headers, body });
      await reply.body.text();
      if (reply.statusCode !== 200) throw new Error(`the edge answered ${reply.statusCode}`);
      return performance.now() - sentAt;
    };
    // The client's own first steps (connecting, code that has never run) are not the server's.
    await (await client.request({ path: "/healthz", method: "GET" })).body.text();
    const firstMs = await predict();
    const following: number[] = [];
    for (let request = 0; request < FOLLOWING; request++) following.push(await predict());
    await client.close();
    following.sort((a, b) => a - b);
    const at = (share: number) => following[Math.floor(share * FOLLOWING)] ?? Number.NaN;
    return { readySeconds, firstMs, p50Ms: at(0.5), p99Ms: at(0.99) };
  } finally {
    await stack.stop();
    rmSync(stateFolder, { recursive: true, force: true });
  }
}
