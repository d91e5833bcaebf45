/**
 * What a bucket without a manifest has, from ListObjectsV2 (Amazon S3 API Reference): `<model>/<version>/<file>` and
 * `<model>/model.json` below the prefix; any other key is passed over.
 *
 * A listing names no digest and knows nothing of an upload that is still going on: a version whose `model.onnx` came before
 * its external data is taken as it is, and replaced when the rest is there. A manifest has neither weakness.
 */
import { isModelName, isModelVersion } from "../../../shared/protocol/model-name.ts";
import { type Catalogue, isFileName, LIMITS, type RemoteFile, type RemoteModel } from "./catalogue.ts";
import { SourceError } from "./source-error.ts";

export interface ListedObject {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
}

export interface ListingPage {
  readonly objects: readonly ListedObject[];
  /** Where the next page begins; undefined: there is none. */
  readonly next: string | undefined;
}

/**
 * Reads one page, asked for with `encoding-type=url`, so that any key is plain text in it.
 *
 * @throws SourceError `bad_manifest`
 */
export function parseListingPage(xml: string): ListingPage {
  const truncated = textOf(xml, "IsTruncated");
  if (!xml.includes("<ListBucketResult") || (truncated !== "true" && truncated !== "false")) {
    throw new SourceError("bad_manifest", "the answer to ListObjectsV2 is not a listing");
  }
  const next = truncated === "true" ? textOf(xml, "NextContinuationToken") : undefined;
  if (truncated === "true" && !next) {
    throw new SourceError("bad_manifest", "the listing goes on, but does not say where");
  }
  const objects = [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, content = ""]) => readObject(content));
  return { objects, next };
}

/**
 * @param prefix that all keys begin with; empty, or ends with `/`
 * @throws SourceError `bad_manifest` when there is no model: a mistyped prefix must not empty the cache
 */
export function catalogueOf(objects: readonly ListedObject[], prefix: string): Catalogue {
  const modelJsons = new Map<string, RemoteFile>();
  const models = new Map<string, Map<string, Map<string, RemoteFile>>>();
  for (const { key, size, etag } of objects) {
    if (!key.startsWith(prefix)) continue;
    const path = key.slice(prefix.length);
    const [name = "", second = "", file, ...deeper] = path.split("/");
    if (!isModelName(name) || deeper.length > 0) continue;
    const remote = { path, size, etag, sha256: undefined };
    if (file === undefined && second === "model.json" && size <= LIMITS.modelJsonBytes) modelJsons.set(name, remote);
    if (file === undefined || !isModelVersion(second) || !isFileName(file) || size > LIMITS.fileBytes) continue;
    const versions = entryOf(models, name, () => new Map<string, Map<string, RemoteFile>>());
    entryOf(versions, second, () => new Map<string, RemoteFile>()).set(file, remote);
  }
  const catalogue = new Map<string, RemoteModel>();
  for (const [name, found] of models) {
    const versions = new Map([...found].filter(([, files]) => files.has("model.onnx")));
    if (versions.size > 0) catalogue.set(name, { modelJson: modelJsons.get(name), versions });
  }
  if (catalogue.size === 0) {
    const seen = `${objects.length} ${objects.length === 1 ? "object" : "objects"}`;
    throw new SourceError(
      "bad_manifest",
      `the bucket has ${seen} below ${prefix || "its root"}, but no <model>/<version>/model.onnx`,
    );
  }
  return catalogue;
}

function readObject(content: string): ListedObject {
  const [key, size = "", etag = ""] = [textOf(content, "Key"), textOf(content, "Size"), textOf(content, "ETag")];
  // An entity tag is sent back in a header.
  if (!key || !/^[\x21-\x7e]{1,256}$/.test(etag) || !/^[0-9]{1,16}$/.test(size)) {
    throw new SourceError("bad_manifest", "the listing has an object without key, size or entity tag");
  }
  return { key: decodeKey(key), size: Number(size), etag };
}

/** Keys come as in a query: a space is `+`. */
function decodeKey(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch (cause) {
    throw new SourceError("bad_manifest", "the listing has a key that cannot be decoded", { cause });
  }
}

function textOf(xml: string, element: string): string | undefined {
  const text = new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1];
  return text?.replaceAll(/&(quot|amp|lt|gt|apos|#34|#39);/g, (_, name: string) => ENTITIES[name] ?? "");
}

const ENTITIES: Readonly<Record<string, string>> = {
  ...{ quot: '"', amp: "&", lt: "<", gt: ">", apos: "'", "#34": '"', "#39": "'" },
};

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key) ?? make();
  map.set(key, found);
  return found;
}
