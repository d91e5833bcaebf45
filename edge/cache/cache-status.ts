/** The field `Cache-Status` (RFC 9211): what the prediction cache did for a request. */

/** Why the cache was not asked; a caller can act on each of them. */
export type BypassReason = "not-deterministic" | "unknown-model" | "parameters" | "input";

export type CacheResult =
  | { readonly kind: "hit"; readonly from: "isolate" | "data-centre"; readonly ttlSeconds: number }
  | { readonly kind: "miss"; readonly stored: boolean; readonly refused: boolean }
  /** Answered with what an identical request, sent to the pool before, brought back. */
  | { readonly kind: "collapsed" }
  /** The caller wished for a new answer. */
  | { readonly kind: "request"; readonly stored: boolean }
  | { readonly kind: "bypass"; readonly reason: BypassReason };

export function cacheStatus(result: CacheResult): string {
  switch (result.kind) {
    case "hit":
      return `warmgate; hit; ttl=${Math.max(0, Math.floor(result.ttlSeconds))}; detail=${result.from}`;
    case "miss":
      return `warmgate; fwd=miss${result.refused ? "; fwd-status=504; detail=only-if-cached" : ""}${result.stored ? "; stored" : ""}`;
    case "collapsed":
      return "warmgate; fwd=miss; collapsed";
    case "request":
      return `warmgate; fwd=request${result.stored ? "; stored" : ""}`;
    case "bypass":
      return `warmgate; fwd=bypass; detail=${result.reason}`;
  }
}
