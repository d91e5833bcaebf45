/** Calendar days and months in UTC, the periods that quotas are for. */

const DAY_MS = 86_400_000;

/** Days since 1970. */
export function dayOf(epochMs: number): number {
  return Math.floor(epochMs / DAY_MS);
}

export function dayEndsInMs(epochMs: number): number {
  return (dayOf(epochMs) + 1) * DAY_MS - epochMs;
}

/** Months since the year 0. */
export function monthOf(epochMs: number): number {
  const date = new Date(epochMs);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

export function monthEndsInMs(epochMs: number): number {
  const month = monthOf(epochMs);
  return Date.UTC(Math.floor(month / 12), (month % 12) + 1, 1) - epochMs;
}

export function daysInMonth(month: number): number {
  return new Date(Date.UTC(Math.floor(month / 12), (month % 12) + 1, 0)).getUTCDate();
}
