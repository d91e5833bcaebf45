/**
 * Answers from the prediction cache, against a Worker that answers a constant to the same POST: from the isolate's memory, and from the
 * data centre's cache.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../infra/cli/ports.ts";
import { type Stack, startStack } from "../../infra/cli/stack.ts";
import { serveWorker } from "../../infra/workerd/worker-server.ts";
import { type Comparison, compareAlternately } from "./compare.ts";
import { inferenceRequest } from "./subjects.ts";

const models = join(import.meta.dirname, "..", "..", "gpu-pool", "models");

export interface CacheHitComparisons {
  readonly isolate: Comparison;
  readonly dataCentre: Comparison;
}

export async function cacheHitsAgainstConstant(connections: number, rounds: number): Promise<CacheHitComparisons> {
  const [constantPort = 0] = await freePorts(1);
  const constant = await serveWorker({
    ...{
      name: "constant",
      entry: join(import.meta.dirname, "constant-worker.js"),
      host: "127.0.0.1",
      port: constantPort,
    },
    worker: { compatibilityDate: "2026-11-01" },
    log: () => undefined,
  });
  const against = (entry: string | undefined, label: string) =>
    withStack(entry, (stack) => {
      const authorization = `Bearer ${stack.demoKey}`;
      const request = inferenceRequest("digits", "pixels", 64, { authorization });
      const ours = { label, port: Number(new URL(stack.edgeUrl).port), request };
      return compareAlternately(ours, { label: "constant", port: constantPort, request }, { connections, rounds });
    });
  try {
    return {
      isolate: await against(undefined, "hit in the isolate"),
      dataCentre: await against(join(import.meta.dirname, "data-centre-hit-worker.js"), "hit in the data centre"),
    };
  } finally {
    await constant.dispose();
  }
}

/** @param edgeEntry another Worker than the edge itself */
async function withStack<Result>(
  edgeEntry: string | undefined,
  use: (stack: Stack) => Promise<Result>,
): Promise<Result> {
  const stateFolder = mkdtempSync(join(tmpdir(), "warmgate-bench-"));
  const [edgePort = 0, poolPort = 0, opsPort = 0] = await freePorts(3);
  const stack = await startStack({
    ...{ edgePort, poolPort, opsPort, modelFolders: [models], poolAuth: "signed", provider: "cpu", stateFolder },
    ...(edgeEntry === undefined ? {} : { edgeEntry }),
  });
  try {
    await stack.ready;
    return await use(stack);
  } finally {
    await stack.stop();
    rmSync(stateFolder, { recursive: true, force: true });
  }
}
