import { UsageError } from "../usage-error.ts";

const BYTES: Readonly<Record<string, number>> = {
  ...{ MiB: 1024 * 1024, KiB: 1024, MB: 1e6, kB: 1000, B: 1, "": 1 },
};
const FORMAT = /^(\d{1,9})(MiB|KiB|MB|kB|B|)$/;

/** Bytes. @throws UsageError */
export function parseSize(text: string, name: string, least: number, most: number): number {
  const [, count = "", unit = "none"] = FORMAT.exec(text) ?? [];
  const bytes = Number(count) * (BYTES[unit] ?? Number.NaN);
  if (bytes >= least && bytes <= most) return bytes;
  throw new UsageError(
    `${name} is 512KiB, 8MiB or the like, from ${formatSize(least)} to ${formatSize(most)}, not '${text}'.`,
  );
}

/** Exactly, in the largest of MiB, KiB and bytes that makes it a whole number. */
export function formatSize(bytes: number): string {
  for (const unit of ["MiB", "KiB"]) {
    const size = BYTES[unit] ?? 1;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}
