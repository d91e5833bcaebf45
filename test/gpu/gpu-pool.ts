import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "node:test";
import { type PoolOptions, type PoolProcess, startPool } from "../support/pool.ts";

export interface GpuPool {
  /** The repository of the test at hand, empty at first. */
  readonly folder: string;
  /** A pool on the GPU with what is in the folder; it ends with the test. */
  start(args?: readonly string[], environment?: PoolOptions["environment"]): Promise<PoolProcess>;
}

/** To be called within a `describe`. */
export function gpuPool(): GpuPool {
  let folder = "";
  let pool: PoolProcess | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "warmgate-gpu-"));
  });
  afterEach(async (context) => {
    await pool?.stop();
    if ("passed" in context && !context.passed) console.log(pool?.output);
    pool = undefined;
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    get folder() {
      return folder;
    },
    async start(args = [], environment = {}) {
      pool = await startPool({ models: [folder], arguments: ["--provider", "cuda", ...args], environment });
      return pool;
    },
  };
}
