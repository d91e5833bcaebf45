import { UsageError } from "../usage-error.ts";

const WHOLE = /^(?:\d{1,15}|\d{1,3}(?:([,_])\d{3})(?:\1\d{3})*)$/;

/**
 * A whole number, in groups of three or not: 1000000, 1_000_000, 1,000,000.
 *
 * @throws UsageError naming the option and what it takes
 */
export function parseWholeNumber(text: string, name: string, least: number, most: number): number {
  const value = WHOLE.test(text) ? Number(text.replaceAll(/[,_]/g, "")) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(
    `${name} is a whole number from ${formatNumber(least)} to ${formatNumber(most)}, not '${text}'.`,
  );
}

/** With commas, three decimals at the most. */
export function formatNumber(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 3 });
}
