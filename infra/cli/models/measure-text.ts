/** Figures of models in words. */
import { formatNumber } from "../admin/number-text.ts";

const MIB = 1024 ** 2;
const DIGEST_SHOWN = 16;

/** @param bytes undefined: not known */
export function memoryText(bytes: number | undefined): string {
  return bytes === undefined ? "" : `${formatNumber(Math.round((bytes / MIB) * 10) / 10)} MiB`;
}

/** @param ms undefined: not known */
export function millisecondsText(ms: number | undefined): string {
  return ms === undefined ? "" : `${formatNumber(Math.round(ms * 100) / 100)} ms`;
}

/** What tells versions apart at sight. */
export function digestText(digest: string | undefined): string {
  return digest === undefined ? "" : digest.slice(0, DIGEST_SHOWN);
}

/** @param maxBatch 0 when requests run alone; undefined: not known */
export function batchText(maxBatch: number | undefined): string {
  return maxBatch === undefined ? "" : String(Math.max(1, maxBatch));
}
