import { AwsV4Signer } from "aws4fetch";
import type { Catalogue } from "./catalogue.ts";
import type { Credentials } from "./credentials.ts";
import { catalogueOf, type ListedObject, type ListingPage, parseListingPage } from "./listing.ts";
import { LONGEST_MANIFEST, MANIFEST_NAME, parseManifest } from "./manifest.ts";
import type { RemoteSource, S3Source } from "./model-source.ts";
import { percentEncode } from "./percent-encode.ts";
import { type RetryPolicy, retrying } from "./retry.ts";
import { type Answer, readText, type SourceConnection } from "./source-connection.ts";
import { SourceError } from "./source-error.ts";

/** What a source answered when asked what it has. */
export type Contents =
  | { readonly kind: "unchanged" }
  /** `etag`: of the manifest; undefined where it has none, or where the bucket was listed. */
  | { readonly kind: "catalogue"; readonly catalogue: Catalogue; readonly etag: string | undefined };

/** Objects of a bucket that are looked at, in pages of 1,000. */
const MOST_LISTED = 50_000;
/** A page of 1,000 keys of 1,024 bytes, each byte as three, and what is around them. */
const LONGEST_PAGE = 5 * 1024 ** 2;
/** What a caller who changes nothing answers 200 to. */
const OK = 200;
const NOT_MODIFIED = 304;

/** Reads one source: its catalogue and its files, with the requests signed as it wants them. */
export class RemoteStore {
  readonly source: RemoteSource;
  readonly connection: SourceConnection;
  readonly #credentials: Credentials;
  readonly #retry: RetryPolicy;
  readonly #now: () => Date;
  /** Keys derived for a day, by aws4fetch: emptied when the day changes. */
  readonly #signingKeys = new Map<string, ArrayBuffer>();

  constructor(
    source: RemoteSource,
    credentials: Credentials,
    connection: SourceConnection,
    retry: RetryPolicy,
    now: () => Date,
  ) {
    this.source = source;
    this.connection = connection;
    this.#credentials = credentials;
    this.#retry = retry;
    this.#now = now;
  }

  /**
   * One request, tried once.
   *
   * @param path below the source's base; its segments have been checked and need no encoding
   * @throws SourceError
   */
  get(path: string, headers: Readonly<Record<string, string>>, accepted: readonly number[], signal: AbortSignal) {
    return this.#request(`${this.source.basePath}${path}`, headers, accepted, signal);
  }

  /**
   * What the source has: by its manifest, or in a bucket without one by listing it.
   *
   * @param etag of the manifest that is known already
   * @throws SourceError
   */
  async contents(etag: string | undefined, signal: AbortSignal): Promise<Contents> {
    const { source } = this;
    try {
      return await retrying(this.#retry, signal, () => this.#manifest(etag, signal));
    } catch (error) {
      const isAbsent = error instanceof SourceError && error.status === 404;
      if (!isAbsent || source.kind !== "s3") throw error;
      return { kind: "catalogue", catalogue: await this.#list(source, signal), etag: undefined };
    }
  }

  async #manifest(etag: string | undefined, signal: AbortSignal): Promise<Contents> {
    const answer = await this.get(
      MANIFEST_NAME,
      etag ? { "if-none-match": etag } : {},
      etag ? [OK, NOT_MODIFIED] : [OK],
      signal,
    );
    const text = await this.#text(answer, LONGEST_MANIFEST, MANIFEST_NAME, signal);
    if (answer.status === NOT_MODIFIED) return { kind: "unchanged" };
    const { etag: newEtag } = answer.headers;
    return {
      kind: "catalogue",
      catalogue: parseManifest(text),
      etag: typeof newEtag === "string" ? newEtag : undefined,
    };
  }

  async #list(source: S3Source, signal: AbortSignal): Promise<Catalogue> {
    const objects: ListedObject[] = [];
    for (let next: string | undefined = ""; next !== undefined; ) {
      const from: string = next;
      const page: ListingPage = await retrying(this.#retry, signal, () => this.#page(source, from, signal));
      objects.push(...page.objects);
      next = page.next;
      if (objects.length > MOST_LISTED || (next !== undefined && page.objects.length === 0)) {
        throw new SourceError(
          "bad_manifest",
          `the bucket has over ${MOST_LISTED} objects below the prefix, or empty pages: write a ${MANIFEST_NAME}`,
        );
      }
    }
    return catalogueOf(objects, source.prefix);
  }

  async #page({ bucket, prefix }: S3Source, from: string, signal: AbortSignal): Promise<ListingPage> {
    const query = new Map([
      ["list-type", "2"],
      ["encoding-type", "url"],
      ["max-keys", "1000"],
    ]);
    if (prefix) query.set("prefix", prefix);
    if (from) query.set("continuation-token", from);
    const search = [...query].map(([name, value]) => `${name}=${percentEncode(value)}`).join("&");
    const answer = await this.#request(`/${bucket}?${search}`, {}, [OK], signal);
    return parseListingPage(await this.#text(answer, LONGEST_PAGE, "a page of the listing", signal));
  }

  #text(answer: Answer, mostBytes: number, what: string, signal: AbortSignal): Promise<string> {
    return readText(answer, mostBytes, what, (error) => this.connection.failure(error, signal));
  }

  async #request(
    path: string,
    headers: Readonly<Record<string, string>>,
    accepted: readonly number[],
    signal: AbortSignal,
  ): Promise<Answer> {
    return this.connection.get(path, { ...headers, ...(await this.#authorization(path)) }, accepted, signal);
  }

  async #authorization(path: string): Promise<Record<string, string>> {
    const credentials = this.#credentials;
    if (credentials.kind === "none") return {};
    if (credentials.kind === "bearer") return { authorization: `Bearer ${credentials.token.reveal()}` };
    const datetime = this.#now()
      .toISOString()
      .replaceAll(/[:-]|\.\d{3}/g, "");
    const signer = new AwsV4Signer({
      method: "GET",
      url: `${this.source.origin}${path}`,
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey.reveal(),
      ...(credentials.sessionToken ? { sessionToken: credentials.sessionToken.reveal() } : {}),
      service: "s3",
      region: this.source.kind === "s3" ? this.source.region : "us-east-1",
      datetime,
      cache: this.#keysOf(datetime.slice(0, 8)),
    });
    return Object.fromEntries((await signer.sign()).headers);
  }

  #keysOf(day: string): Map<string, ArrayBuffer> {
    const isOfAnotherDay = this.#signingKeys.keys().some((name) => !name.includes(`,${day},`));
    if (isOfAnotherDay) this.#signingKeys.clear();
    return this.#signingKeys;
  }
}
