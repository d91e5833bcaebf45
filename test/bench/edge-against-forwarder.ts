/**
 * A JSON prediction through edge and pool, against a Worker that only forwards the same body to a pool that asks for no
 * signature, on the same set-up: what identity, decoding, signing, encoding and logging cost. And the same for the
 * platform's part of that alone (`/floor` of the forwarding Worker), which shows how much of it is the edge's own code.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../infra/cli/ports.ts";
import { startStack } from "../../infra/cli/stack.ts";
import { serveWorker } from "../../infra/workerd/worker-server.ts";
import { type Comparison, compareAlternately } from "./compare.ts";
import { inferenceRequest, startOpenPool } from "./subjects.ts";

const models = join(import.meta.dirname, "..", "..", "gpu-pool", "models");

export interface EdgeComparisons {
  readonly edge: Comparison;
  readonly floor: Comparison;
}

export async function edgeAgainstForwarder(connections: number, rounds: number): Promise<EdgeComparisons> {
  const stateFolder = mkdtempSync(join(tmpdir(), `warmgate-bench-${randomBytes(4).toString("hex")}-`));
  const [edgePort = 0, poolPort = 0, opsPort = 0, forwarderPort = 0] = await freePorts(4);
  const openPool = await startOpenPool([models]);
  const stack = await startStack({
    edgePort,
    poolPort,
    opsPort,
    modelFolders: [models],
    poolAuth: "signed",
    provider: "cpu",
    stateFolder,
  });
  const forwarder = await serveWorker({
    name: "forwarder",
    entry: join(import.meta.dirname, "forwarding-worker.js"),
    host: "127.0.0.1",
    port: forwarderPort,
    worker: {
      compatibilityDate: "2026-11-01",
      bindings: { TARGET: `http://127.0.0.1:${openPool.port}/v2/models/digits/infer` },
    },
    log: () => undefined,
  });
  try {
    await stack.ready;
    const authorization = `Bearer ${stack.demoKey}`;
    const edge = inferenceRequest("digits", "pixels", 64, { authorization, "cache-control": "no-store" });
    const plain = inferenceRequest("digits", "pixels", 64).toString();
    const to = (path: string) => Buffer.from(plain.replace("/v2/models/digits/infer", path));
    const doNothing = { label: "forwarding Worker + pool", port: forwarderPort, request: to("/forward") };
    const floor = { label: "platform's calls + pool", port: forwarderPort, request: to("/floor") };
    const run = { connections, rounds };
    return {
      edge: await compareAlternately({ label: "edge + pool", port: edgePort, request: edge }, doNothing, run),
      floor: await compareAlternately(floor, doNothing, run),
    };
  } finally {
    await forwarder.dispose();
    await stack.stop();
    await openPool.stop();
    rmSync(stateFolder, { recursive: true, force: true });
  }
}
