/** What can be wrong with a source of models. A code never changes its meaning: operators' alerts match on it. */
export type SourceReason =
  /** The address of the source, or the credentials it needs, are not valid. */
  | "misconfigured"
  /** The host's address is one that must not be connected to. */
  | "forbidden_address"
  /** No connection, or one that broke. */
  | "unreachable"
  /** Nothing came for too long. */
  | "timeout"
  /** Answered 5xx. */
  | "failing"
  /** Answered 3xx: the credentials and the trust are for the configured place alone. */
  | "redirected"
  /** Answered 4xx, or another status that was not asked for. */
  | "refused"
  /** The manifest or the listing is not one. */
  | "bad_manifest"
  /** A file is not as long as was said, or its content is not what the manifest names. */
  | "size_mismatch"
  | "digest_mismatch"
  /** The cache may not grow as far. */
  | "cache_full"
  /** The cache folder cannot be written, or is not a cache of this source. */
  | "cache_unusable"
  /** Another process is writing to the cache folder. */
  | "cache_busy"
  /** A fault of the program, or of what was to be done with the models. */
  | "unexpected";

const TRANSIENT: ReadonlySet<SourceReason> = new Set(["unreachable", "timeout", "failing"]);

/** A failure to bring models from a source. Its message is for the log: numbers and names, never a credential. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  readonly reason: SourceReason;
  /** HTTP status of the answer, where there was one. */
  readonly status: number | undefined;

  constructor(reason: SourceReason, message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.status = options.status;
  }

  /** Whether the same request may succeed in a moment. */
  get transient(): boolean {
    return TRANSIENT.has(this.reason);
  }
}

/** Any thrown value as a SourceError, for one text in one log. */
export function asSourceError(thrown: unknown): SourceError {
  if (thrown instanceof SourceError) return thrown;
  return new SourceError("unexpected", `something failed that should not have: ${codeOf(thrown)}`, { cause: thrown });
}

/** The system's or library's code of a failure; messages are no help, as that of a host with several addresses is empty. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
