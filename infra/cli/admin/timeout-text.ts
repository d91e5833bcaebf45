import { UsageError } from "../usage-error.ts";

const MILLISECONDS: Readonly<Record<string, number>> = { m: 60_000, s: 1_000, ms: 1 };
const FORMAT = /^(\d{1,9})(m|s|ms)$/;

/** Milliseconds, from 1 on. @throws UsageError */
export function parseTimeout(text: string, name: string, mostMs: number): number {
  const [, count = "", unit = ""] = FORMAT.exec(text) ?? [];
  const ms = Number(count) * (MILLISECONDS[unit] ?? Number.NaN);
  if (ms >= 1 && ms <= mostMs) return ms;
  throw new UsageError(`${name} is 5s, 800ms or the like, ${formatTimeout(mostMs)} at the most, not '${text}'.`);
}

/** Exactly, in the largest of minutes, seconds and milliseconds that makes it a whole number. @param ms from 1 on */
export function formatTimeout(ms: number): string {
  for (const unit of ["m", "s"]) {
    const length = MILLISECONDS[unit] ?? 1;
    if (ms % length === 0) return `${ms / length}${unit}`;
  }
  return `${ms}ms`;
}
