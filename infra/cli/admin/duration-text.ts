/** Durations and points in time as people write them: `90d`, `12h`; `2027-01-31`, `2027-01-31T12:00:00Z`. */
import { z } from "zod";
import { UsageError } from "../usage-error.ts";
import { formatNumber } from "./number-text.ts";

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const FORMAT = /^(\d{1,9})([smhd])$/;
const MOST_SECONDS = 100 * 365 * 86_400;
const instantSchema = z.iso.date().or(z.iso.datetime({ offset: true }));

/** Seconds; undefined for what is no duration, or one of more than a hundred years. */
function readDuration(text: string): number | undefined {
  const [, count = "", unit = ""] = FORMAT.exec(text) ?? [];
  const seconds = Number(count) * (SECONDS[unit] ?? Number.NaN);
  return seconds <= MOST_SECONDS ? seconds : undefined;
}

/** Seconds. @throws UsageError */
export function parseDuration(text: string, name: string): number {
  const seconds = readDuration(text);
  if (seconds !== undefined) return seconds;
  throw new UsageError(`${name} is a duration such as 90d, 12h, 30m or 10s, not '${text}'.`);
}

/**
 * A point in time, or how far it is from now.
 *
 * @param direction 1: a duration is meant from now on; -1: back from now
 * @returns milliseconds since 1970
 * @throws UsageError
 */
export function parseInstant(text: string, name: string, now: number, direction: 1 | -1): number {
  const seconds = readDuration(text);
  if (seconds !== undefined) return now + direction * seconds * 1000;
  if (instantSchema.safeParse(text).success) return Date.parse(text);
  throw new UsageError(`${name} is 90d, 12h or the like, 2027-01-31 or 2027-01-31T12:00:00Z, not '${text}'.`);
}

/** In the largest unit that makes it a whole number. @param seconds a whole number */
export function formatDuration(seconds: number): string {
  for (const unit of ["d", "h", "m"]) {
    const length = SECONDS[unit] ?? 1;
    if (seconds >= length && seconds % length === 0) return `${formatNumber(seconds / length)}${unit}`;
  }
  return `${formatNumber(seconds)}s`;
}
