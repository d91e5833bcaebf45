/** The options that say what a tenant, a key or a plan may use. */
import { PRIORITY_CLASSES } from "../../../shared/protocol/priority.ts";
import type { LimitOverrides, Limits } from "../../../shared/protocol/tenant-limits.ts";
import { UsageError } from "../usage-error.ts";
import { priorityName } from "./names.ts";
import { parseWholeNumber } from "./number-text.ts";
import type { GivenOptions, Options } from "./options.ts";
import { parseRate, type Rate, usualBurst } from "./rate-text.ts";
import { parseSize } from "./size-text.ts";
import { parseTimeout } from "./timeout-text.ts";

export type LimitOption =
  | "rate"
  | "burst"
  | "concurrency"
  | "quota"
  | "max-body"
  | "max-batch"
  | "max-timeout"
  | "highest-priority";

export const LIMIT_OPTIONS: Options<LimitOption> = {
  rate: { value: "<n>/s|none", about: "units a second; also /m, /h, /d" },
  burst: { value: "<n>", about: "units that may come at once (one second of the rate, at least 1)" },
  concurrency: { value: "<n>|none", about: "requests in flight" },
  quota: {
    value: "<n>/day|<n>/month|none",
    repeatable: true,
    about: "units a calendar day or month, UTC; also none/day",
  },
  "max-body": { value: "<size>|none", about: "largest body of a request, such as 8MiB" },
  "max-batch": { value: "<rows>|none", about: "rows of a request" },
  "max-timeout": { value: "<time>|none", about: "longest time that a request gets, such as 5s or 800ms" },
  "highest-priority": { value: "<class>|none", about: `above it no request gets: ${PRIORITY_CLASSES.join(", ")}` },
};

const NONE = "none";
const QUOTA = /^([^/]+)\/(d|day|mo|month)$/;
/** Limits as the options name them. */
const LIMIT_NAMES: Readonly<Record<string, keyof Limits>> = {
  ...{ rate: "rate", concurrency: "concurrency", "quota/day": "quotaPerDay", "quota/month": "quotaPerMonth" },
  ...{ "max-body": "maxBodyBytes", "max-batch": "maxBatch", "max-timeout": "maxTimeoutMs" },
  "highest-priority": "highestPriority",
};
export const INHERITABLE = Object.keys(LIMIT_NAMES).join(", ");

export interface GivenLimits {
  readonly limits: LimitOverrides;
  /** A burst without a rate: it goes with the rate that there is. */
  readonly burstAlone?: number;
}

/** @throws UsageError naming the option and what it takes */
export function parseLimits(given: GivenOptions<LimitOption>): GivenLimits {
  const limits: LimitOverrides = {};
  const burstText = given.one("burst");
  const burst = burstText === undefined ? undefined : parseWholeNumber(burstText, "--burst", 1, 1e7);
  const rate = given.one("rate");
  if (rate === NONE) {
    if (burst !== undefined) throw new UsageError("--burst has no effect beside --rate none.");
    limits.rate = null;
  } else if (rate !== undefined) {
    const perSecond = parseRate(rate);
    limits.rate = { perSecond, burst: burst ?? usualBurst(perSecond) };
  }
  const concurrency = given.one("concurrency");
  if (concurrency !== undefined) {
    limits.concurrency = orNone(concurrency, (text) => parseWholeNumber(text, "--concurrency", 1, 10_000));
  }
  for (const quota of given.all("quota")) addQuota(limits, quota);
  const maxBody = given.one("max-body");
  if (maxBody !== undefined) {
    limits.maxBodyBytes = orNone(maxBody, (text) => parseSize(text, "--max-body", 1024, 100 * 1024 * 1024));
  }
  const maxBatch = given.one("max-batch");
  if (maxBatch !== undefined) {
    limits.maxBatch = orNone(maxBatch, (text) => parseWholeNumber(text, "--max-batch", 1, 1e6));
  }
  const maxTimeout = given.one("max-timeout");
  if (maxTimeout !== undefined) {
    limits.maxTimeoutMs = orNone(maxTimeout, (text) => parseTimeout(text, "--max-timeout", 60_000));
  }
  const highest = given.one("highest-priority");
  if (highest !== undefined) {
    limits.highestPriority = orNone(highest, (text) => priorityName(text, "--highest-priority"));
  }
  return { limits, ...(rate === undefined && burst !== undefined ? { burstAlone: burst } : {}) };
}

/** What to send where there is no rate yet that a burst alone could go with. @throws UsageError */
export function newLimits({ limits, burstAlone }: GivenLimits): LimitOverrides {
  return withBurst({ limits, ...(burstAlone === undefined ? {} : { burstAlone }) }, null);
}

/** @param rate the one that there is @throws UsageError when a burst came alone and there is none */
export function withBurst({ limits, burstAlone }: GivenLimits, rate: Rate | null | undefined): LimitOverrides {
  if (burstAlone === undefined) return limits;
  if (!rate) throw new UsageError("--burst goes with a rate: give --rate as well.");
  return { ...limits, rate: { perSecond: rate.perSecond, burst: burstAlone } };
}

/** @throws UsageError for a name that no limit has, or for a limit that is also given */
export function parseInherited(names: readonly string[], { limits, burstAlone }: GivenLimits): (keyof Limits)[] {
  return names.map((name) => {
    const limit = Object.hasOwn(LIMIT_NAMES, name) ? LIMIT_NAMES[name] : undefined;
    if (limit === undefined) throw new UsageError(`--inherit is one of ${INHERITABLE}, not '${name}'.`);
    const given = limits[limit] !== undefined || (limit === "rate" && burstAlone !== undefined);
    if (given) throw new UsageError(`${name} can be given or inherited from the plan, not both.`);
    return limit;
  });
}

function addQuota(limits: LimitOverrides, text: string): void {
  const [, count = "", period = ""] = QUOTA.exec(text) ?? [];
  if (count === "" && text !== NONE) {
    throw new UsageError(`--quota is 20000/day, 1000000/month, none/day, none/month or none, not '${text}'.`);
  }
  const quota = orNone(count || text, (number) => parseWholeNumber(number, "--quota", 1, 1e12));
  const fields = ["quotaPerDay", "quotaPerMonth"] as const;
  for (const field of fields) {
    if (text !== NONE && (field === "quotaPerDay") !== period.startsWith("d")) continue;
    if (limits[field] !== undefined) throw new UsageError(`--quota ${text}: that quota is given twice.`);
    limits[field] = quota;
  }
}

function orNone<Value>(text: string, parse: (text: string) => Value): Value | null {
  return text === NONE ? null : parse(text);
}
