/** Shares, weights and measured values as people write and read them: `10%` or `0.1`, `1.5`, `0.00012`. */
import { UsageError } from "../usage-error.ts";
import { formatNumber } from "./number-text.ts";

const DECIMAL = /^\d{1,9}(?:\.\d{1,9})?$/;
/** What distributions count as the largest, a difference that cannot be told included, is above this. */
const LARGEST_TOLD = 1e12;

/** @throws UsageError naming the option and what it takes */
export function parseDecimal(text: string, name: string, least: number, most: number): number {
  const value = DECIMAL.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`${name} is a number from ${formatNumber(least)} to ${formatNumber(most)}, not '${text}'.`);
}

/** @returns from 0 to 1 @throws UsageError naming the option and what it takes */
export function parseShare(text: string, name: string, least: number, most: number): number {
  const isPercentage = text.endsWith("%");
  const number = isPercentage ? text.slice(0, -1) : text;
  const value = DECIMAL.test(number) ? Number(number) / (isPercentage ? 100 : 1) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(
    `${name} is a share such as 10% or 0.1, from ${formatShare(least)} to ${formatShare(most)}, not '${text}'.`,
  );
}

/** In percent with three decimals at the most. Nearly all is not shown as all, nor nearly nothing as nothing. */
export function formatShare(share: number): string {
  const text = formatNumber(share * 100);
  if (text === "100" && share < 1) return ">99.999%";
  if (text === "0" && share > 0) return "<0.001%";
  return `${text}%`;
}

/** Of a part; empty of nothing. */
export function formatPart(part: number, of: number): string {
  return of === 0 ? "" : formatShare(part / of);
}

/** With three significant digits, which is more than distributions tell; empty where nothing was measured. */
export function formatMeasured(value: number | undefined): string {
  if (value === undefined) return "";
  return value > LARGEST_TOLD ? "over 1e12" : String(Number(value.toPrecision(3)));
}
