/** What `nvidia-smi` says of a GPU, read strictly: what is not understood is no reading. */
import { z } from "zod";

/** In the order in which they are asked for; see `nvidia-smi --help-query-gpu`. */
const FIELDS = ["utilization.gpu", "memory.used", "memory.total", "temperature.gpu", "power.draw"];
const MIB = 1024 ** 2;

/** What a GPU does not report (a MIG slice its utilisation, a virtual one its power) is undefined. */
export interface GpuReading {
  /** Share of the last sampling period in which a kernel ran, 0 to 1. */
  readonly utilisation: number | undefined;
  readonly memoryUsedBytes: number | undefined;
  readonly memoryTotalBytes: number | undefined;
  readonly temperatureCelsius: number | undefined;
  readonly powerWatts: number | undefined;
}

/** @param id index, UUID or PCI bus id of one GPU */
export function queryArguments(id: string): string[] {
  return [`--id=${id}`, `--query-gpu=${FIELDS.join(",")}`, "--format=csv,noheader,nounits"];
}

/** A number, or in brackets why there is none: `[N/A]`, `[Not Supported]`, `[Unknown Error]`, `[GPU requires reset]`. */
const cell = z
  .string()
  .regex(/^(?:\d{1,9}(?:\.\d{1,9})?|\[[\w/ .-]{1,64}\]|N\/A)$/)
  .transform((text) => (/^\d/.test(text) ? Number(text) : undefined));
const share = cell.refine((percent) => percent === undefined || percent <= 100, "must be a percentage");
const readingSchema = z.tuple([share, cell, cell, cell, cell]);

/**
 * The one line that a query of one GPU answers.
 *
 * @returns undefined for anything else: an error text, several GPUs, other fields
 */
export function parseReading(output: string): GpuReading | undefined {
  const lines = output.trim().split(/\r?\n/);
  const parsed = readingSchema.safeParse(lines[0]?.split(", "));
  if (lines.length !== 1 || !parsed.success) return undefined;
  const [percent, usedMib, totalMib, temperatureCelsius, powerWatts] = parsed.data;
  return {
    utilisation: percent === undefined ? undefined : percent / 100,
    memoryUsedBytes: usedMib === undefined ? undefined : usedMib * MIB,
    memoryTotalBytes: totalMib === undefined ? undefined : totalMib * MIB,
    temperatureCelsius,
    powerWatts,
  };
}

/**
 * What `nvidia-smi` calls a device that ONNX Runtime counts among those that CUDA shows. The numbers agree only where
 * CUDA_DEVICE_ORDER is PCI_BUS_ID.
 *
 * @returns undefined for a device that CUDA does not show
 */
export function smiIdOf(deviceId: number, visible: string | undefined): string | undefined {
  if (visible === undefined) return String(deviceId);
  const id = visible.split(",")[deviceId]?.trim();
  return id !== undefined && /^(?:\d+|(?:GPU|MIG)-[\w/-]+)$/.test(id) ? id : undefined;
}
