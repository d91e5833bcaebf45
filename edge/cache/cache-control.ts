/** What a caller's `Cache-Control` asks of the prediction cache (RFC 9111, 5.2.1). */

export interface CacheWish {
  /** Nothing of this request or its answer is to be kept. */
  readonly noStore: boolean;
  /** The model is to be run; the answer may be kept. */
  readonly noCache: boolean;
  /** An answer from the cache or none. */
  readonly onlyIfCached: boolean;
  /** The oldest answer that is welcome. */
  readonly maxAgeSeconds: number;
  /** The least life that an answer must still have. */
  readonly minFreshSeconds: number;
}

const NO_WISH: CacheWish = Object.freeze({
  noStore: false,
  noCache: false,
  onlyIfCached: false,
  maxAgeSeconds: Number.POSITIVE_INFINITY,
  minFreshSeconds: 0,
});

/** token [ "=" ( token / quoted-string ) ]; sticky, so that it runs over the header once. */
const DIRECTIVE =
  /[\s,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[^"\\]|\\.)*)"))?\s*(?=,|$)/y;
const LONGEST_HEADER = 1_024;

/**
 * Unknown directives are passed over. Seconds that cannot be read are taken for the strictest ones: the caller gets a newer answer
 * than it may have asked for, never an older one.
 */
export function readCacheWish(cacheControl: string | null, pragma: string | null): CacheWish {
  if (cacheControl === null) return pragma === null ? NO_WISH : { ...NO_WISH, noCache: /\bno-cache\b/i.test(pragma) };
  const wish = { ...NO_WISH };
  DIRECTIVE.lastIndex = 0;
  const text = cacheControl.slice(0, LONGEST_HEADER);
  for (let match = DIRECTIVE.exec(text); match; match = DIRECTIVE.exec(text)) {
    const argument = match[2] ?? match[3];
    switch (match[1]?.toLowerCase()) {
      case "no-store":
        wish.noStore = true;
        break;
      case "no-cache":
        wish.noCache = true;
        break;
      case "only-if-cached":
        wish.onlyIfCached = true;
        break;
      case "max-age":
        wish.maxAgeSeconds = Math.min(wish.maxAgeSeconds, seconds(argument) ?? 0);
        break;
      case "min-fresh":
        wish.minFreshSeconds = Math.max(wish.minFreshSeconds, seconds(argument) ?? Number.POSITIVE_INFINITY);
        break;
    }
  }
  return wish;
}

function seconds(argument: string | undefined): number | undefined {
  return argument !== undefined && /^\d{1,10}$/.test(argument) ? Number(argument) : undefined;
}

/** Whether a stored answer is what the caller wishes for; times in milliseconds. */
export function mayServe(
  stored: { readonly storedAt: number; readonly expiresAt: number },
  wish: CacheWish,
  now: number,
): boolean {
  if (wish.noCache || wish.noStore) return false;
  return (
    now - stored.storedAt <= wish.maxAgeSeconds * 1_000 &&
    stored.expiresAt - now > Math.max(0, wish.minFreshSeconds * 1_000)
  );
}
