import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { type AddressRule, addressKind, checkHost, ruleFor } from "./address-rules.ts";
import { percentEncode } from "./percent-encode.ts";
import { SourceError } from "./source-error.ts";

/** Where models are brought from; holds no credential, so it may be shown. */
export type RemoteSource = HttpSource | S3Source;

interface RemotePlace {
  /** For logs and texts. */
  readonly label: string;
  /** `https://host:port`; the only place that is ever connected to. */
  readonly origin: string;
  /** Path of the folder that the manifest is in, encoded as in a URL; begins and ends with `/`. */
  readonly basePath: string;
  readonly addresses: AddressRule;
}

export interface HttpSource extends RemotePlace {
  readonly kind: "http";
}

export interface S3Source extends RemotePlace {
  readonly kind: "s3";
  readonly bucket: string;
  /** Of the keys; empty, or ends with `/`. */
  readonly prefix: string;
  readonly region: string;
}

/** What one `--models` names. */
export type ModelSource = { readonly kind: "folder"; readonly folder: string } | RemoteSource;

const flag = z.enum(["0", "1"]).default("0");
const httpOptions = z.strictObject({ allowPrivate: flag });
const s3Options = z.strictObject({
  endpoint: z.string().optional(),
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/, "must be a region's name, such as eu-central-1 or auto")
    .optional(),
  allowPrivate: flag,
});

/** Amazon S3, Bucket naming rules. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/**
 * Reads what was given with `--models`:
 *
 *     gpu-pool/models                                                        a folder
 *     https://models.example.com/prod/                                       a server with a manifest
 *     s3://models/prod?endpoint=https://<account>.r2.cloudflarestorage.com&region=auto
 *     s3://models/prod?region=eu-central-1                                   AWS
 *     s3://models?endpoint=http://minio.internal:9000&region=us-east-1&allowPrivate=1
 *
 * Plain http is taken only for a host that is named by a private address or as localhost, or with `allowPrivate=1`: whoever is
 * on the way could give the pool other models.
 *
 * @throws SourceError `misconfigured`, naming everything that is wrong; `forbidden_address`
 */
export function parseModelSource(text: string): ModelSource {
  if (/^https?:\/\//i.test(text)) return httpSource(text);
  if (/^s3:\/\//i.test(text)) return s3Source(text);
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(text)) {
    throw new SourceError("misconfigured", `models come from a folder, https:// or s3://, not ${schemeOf(text)}`);
  }
  return { kind: "folder", folder: text };
}

/** Where a source's models are kept below a folder for all sources; another source has another one. */
export function cacheFolderOf(root: string, source: RemoteSource): string {
  const digest = createHash("sha256").update(source.label).digest("hex").slice(0, 12);
  return join(root, `${new URL(source.origin).hostname.replaceAll(/[^a-z0-9.-]/g, "_")}-${digest}`);
}

function httpSource(text: string): HttpSource {
  const url = readUrl(text, "the address of the models");
  const { allowPrivate } = readOptions(url, httpOptions);
  const basePath = url.pathname.endsWith("/") ? url.pathname : `${url.pathname}/`;
  const { origin } = url;
  const addresses = allowedAddresses(url, allowPrivate === "1");
  return { kind: "http", label: `${origin}${basePath}`, origin, basePath, addresses };
}

function s3Source(text: string): S3Source {
  const url = readUrl(text, "the address of the models");
  const {
    endpoint,
    region = endpoint === undefined ? "us-east-1" : "auto",
    allowPrivate,
  } = readOptions(url, s3Options);
  const bucket = url.host;
  if (!BUCKET.test(bucket)) throw new SourceError("misconfigured", "s3:// must be followed by a bucket's name");
  const store = readUrl(endpoint ?? `https://s3.${region}.amazonaws.com`, "endpoint");
  if (store.pathname !== "/" || store.search || !/^https?:$/.test(store.protocol)) {
    throw new SourceError("misconfigured", "endpoint must be https://host or http://host:port, and nothing more");
  }
  const segments = prefixSegments(url.pathname);
  const prefix = segments.map((segment) => `${segment}/`).join("");
  const basePath = `/${[bucket, ...segments.map(percentEncode)].join("/")}/`;
  const { origin } = store;
  const label = `s3://${bucket}/${prefix} at ${origin}`;
  const addresses = allowedAddresses(store, allowPrivate === "1");
  return { kind: "s3", label, origin, basePath, addresses, bucket, prefix, region };
}

function readUrl(text: string, what: string): URL {
  // What cannot be read is not shown: it may have a credential in it.
  if (!URL.canParse(text)) throw new SourceError("misconfigured", `${what} is not a URL`);
  const url = new URL(text);
  if (url.username || url.password) {
    throw new SourceError("misconfigured", `${what} must hold no credentials: they are read from the environment`);
  }
  if (url.hash) throw new SourceError("misconfigured", `${what} must have no #fragment`);
  return url;
}

function readOptions<T>(url: URL, schema: z.ZodType<T>): T {
  const given = [...url.searchParams];
  const twice = given.find(([name], at) => given.findIndex(([other]) => other === name) !== at);
  if (twice) throw new SourceError("misconfigured", `the option ${twice[0]} is given twice`);
  const parsed = schema.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join(".")}: ${message}` : message,
  );
  throw new SourceError(
    "misconfigured",
    `the options of ${url.protocol}//${url.host} are not valid: ${faults.join("; ")}`,
  );
}

function allowedAddresses(url: URL, allowPrivate: boolean): AddressRule {
  const rule = ruleFor(url.hostname, allowPrivate);
  checkHost(url.hostname, rule);
  const isNear =
    rule.kind === "address"
      ? addressKind(url.hostname.replace(/^\[(.*)\]$/, "$1")) !== "public"
      : rule.kind !== "public";
  if (url.protocol === "http:" && !isNear) {
    throw new SourceError(
      "misconfigured",
      `http://${url.host}: without TLS anyone on the way could change the models; use https, or allowPrivate=1 where the host is in a private network`,
    );
  }
  return rule;
}

function prefixSegments(pathname: string): string[] {
  const segments = pathname.split("/").filter((segment) => segment !== "");
  try {
    return segments.map((segment) => {
      const text = decodeURIComponent(segment);
      if (text === "." || text === ".." || text.includes("/")) throw new RangeError("not a folder's name");
      return text;
    });
  } catch (cause) {
    throw new SourceError("misconfigured", "the prefix of the models' keys cannot be read", { cause });
  }
}

function schemeOf(text: string): string {
  return text.slice(0, text.indexOf(":") + 3);
}
