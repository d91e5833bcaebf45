import type { GpuReading } from "../../gpu-pool/devices/gpu-reading.ts";
import { GpuSampler } from "../../gpu-pool/devices/gpu-sampler.ts";

/** How the first GPU is now. @throws Error where there is none */
export async function readGpu(): Promise<GpuReading> {
  const log = { info() {}, warn() {} };
  const sampler = new GpuSampler({ id: "0", log, now: () => performance.now(), environment: process.env });
  const reading = await sampler.sample();
  if (!reading) throw new Error("nvidia-smi gives no reading");
  return reading;
}

/** Memory of it that anybody has taken, in MiB. */
export async function usedMib(): Promise<number> {
  return ((await readGpu()).memoryUsedBytes ?? Number.NaN) / 1024 ** 2;
}
