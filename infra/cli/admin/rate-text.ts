/** Rates as people write them: `100/s`, `600/m`, `5000/h`, `20000/d`. */
import type { Limits } from "../../../shared/protocol/tenant-limits.ts";
import { UsageError } from "../usage-error.ts";

export type Rate = NonNullable<Limits["rate"]>;

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const UNITS: Readonly<Record<string, keyof typeof SECONDS>> = {
  ...{ s: "s", sec: "s", second: "s", m: "m", min: "m", minute: "m" },
  ...{ h: "h", hour: "h", d: "d", day: "d" },
};
const FORMAT = /^(\d{1,12}(?:\.\d{1,6})?)\/([a-z]+)$/;
const LEAST_PER_SECOND = 1 / SECONDS.d;
const MOST_PER_SECOND = 1e5;
/** What dividing and multiplying again can be off by. */
const ROUNDING = 1e-12;

/** Units a second. @throws UsageError */
export function parseRate(text: string): number {
  const [, count = "", word = ""] = FORMAT.exec(text) ?? [];
  const unit = Object.hasOwn(UNITS, word) ? UNITS[word] : undefined;
  const perSecond = unit === undefined ? Number.NaN : Number(count) / SECONDS[unit];
  if (perSecond >= LEAST_PER_SECOND && perSecond <= MOST_PER_SECOND) return perSecond;
  throw new UsageError(`--rate is 100/s, 600/m, 5000/h or the like, from 1/d to ${MOST_PER_SECOND}/s, not '${text}'.`);
}

/** How many may come at once where nobody said: a second's worth, at least one. */
export function usualBurst(perSecond: number): number {
  return Math.max(1, Math.ceil(perSecond * (1 - ROUNDING)));
}

/** In the shortest time that makes it a whole number; else six digits of it, in one that makes it more than one. */
export function formatPerSecond(perSecond: number): string {
  for (const [unit, seconds] of Object.entries(SECONDS)) {
    const count = perSecond * seconds;
    const whole = Math.round(count);
    if (whole >= 1 && Math.abs(count - whole) <= ROUNDING * count) return `${whole}/${unit}`;
  }
  const [unit, seconds] = Object.entries(SECONDS).find(([, length]) => perSecond * length >= 1) ?? ["d", SECONDS.d];
  return `${Number((perSecond * seconds).toPrecision(6))}/${unit}`;
}

export function formatRate({ perSecond, burst }: Rate): string {
  return `${formatPerSecond(perSecond)}, burst ${burst}`;
}
