import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { until } from "../../test/support/until.ts";
import { GpuSampler, type GpuSamplerOptions } from "./gpu-sampler.ts";

const MIB = 1024 ** 2;
const HALF_BUSY = "50, 1024, 81559, 45, 310.25";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "warmgate-smi-"));
});
after(() => rm(folder, { recursive: true }));

/** Puts an `nvidia-smi` on the path that is this shell script; it notes what it is called with. */
async function install(script: string): Promise<void> {
  const file = join(folder, "nvidia-smi");
  await writeFile(file, `#!/bin/sh\necho "$@" >> "${folder}/calls"\n${script}\n`);
  await chmod(file, 0o755);
  await rm(join(folder, "calls"), { force: true });
}

async function calls(): Promise<string[]> {
  const text = await readFile(join(folder, "calls"), "utf8").catch(() => "");
  return text.split("\n").filter(Boolean);
}

function sampler(options: Partial<GpuSamplerOptions> = {}) {
  const lines: string[] = [];
  const log = {
    info: (text: string) => lines.push(`info ${text}`),
    warn: ({ reason }: { reason: string }) => lines.push(`warn ${reason}`),
  };
  const environment = { PATH: `${folder}:/usr/bin:/bin` };
  const given = { id: "1", log, now: () => performance.now(), environment, ...options };
  return { sampler: new GpuSampler(given as GpuSamplerOptions), lines };
}

describe("sampling a GPU", () => {
  test("gives what nvidia-smi says of this one device", async () => {
    await install(`echo "${HALF_BUSY}"`);
    const { sampler: gpu, lines } = sampler();
    const reading = await gpu.sample();
    assert.deepEqual([reading?.utilisation, reading?.memoryUsedBytes], [0.5, 1024 * MIB]);
    assert.equal(gpu.reading, reading);
    const fields = "utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw";
    assert.deepEqual(await calls(), [`--id=1 --query-gpu=${fields} --format=csv,noheader,nounits`]);
    assert.deepEqual(lines, []);
  });

  test("asks again and again until it is stopped", async () => {
    await install(`echo "${HALF_BUSY}"`);
    const { sampler: gpu } = sampler({ everyMs: 20 });
    gpu.start();
    await until("three calls", async () => (await calls()).length >= 3);
    gpu.stop();
    await gpu.sample();
    const count = (await calls()).length;
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal((await calls()).length, count);
  });

  test("says nothing where there is no nvidia-smi, and does not look again", async () => {
    await rm(join(folder, "nvidia-smi"), { force: true });
    const { sampler: gpu, lines } = sampler();
    gpu.start();
    assert.equal(await gpu.sample(), undefined);
    await install(`echo "${HALF_BUSY}"`);
    assert.equal(await gpu.sample(), undefined);
    assert.deepEqual(lines, []);
  });

  test("logs a failure once, and when it is over", async () => {
    await install('echo "Unable to determine the device handle for GPU0000:BA:00.0: Unknown Error"; exit 15');
    const { sampler: gpu, lines } = sampler();
    assert.equal(await gpu.sample(), undefined);
    assert.equal(await gpu.sample(), undefined);
    await install(`echo "${HALF_BUSY}"`);
    assert.ok(await gpu.sample());
    assert.deepEqual(lines, [
      "warn Unable to determine the device handle for GPU0000:BA:00.0: Unknown Error",
      "info nvidia-smi gives readings again",
    ]);
  });

  test("does not wait for a call that hangs, and ends it", async () => {
    await install("exec sleep 600");
    const { sampler: gpu, lines } = sampler({ limitMs: 100 });
    assert.equal(await gpu.sample(), undefined);
    assert.deepEqual(lines, ["warn it has not answered within 100 ms"]);
    await install(`echo "${HALF_BUSY}"`);
    await until("a reading after it has been killed", async () => (await gpu.sample()) !== undefined);
  });

  test("is not flooded by a call that prints without end", async () => {
    await install("exec yes");
    const { sampler: gpu } = sampler({ limitMs: 20_000 });
    assert.equal(await gpu.sample(), undefined);
  });

  test("forgets a reading that has become old", async () => {
    await install(`echo "${HALF_BUSY}"`);
    let now = 0;
    const { sampler: gpu } = sampler({ now: () => now, everyMs: 1_000 });
    await gpu.sample();
    now = 3_000;
    assert.ok(gpu.reading);
    now = 3_001;
    assert.equal(gpu.reading, undefined);
  });
});
