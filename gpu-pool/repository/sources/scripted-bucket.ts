/**
 * What an S3-compatible store does for this pool, on a real server: it verifies AWS Signature Version 4 by code of its own and lists
 * its objects in pages. Not part of the product.
 */
import { createHash, createHmac } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { etagOf, type ScriptedServer } from "./scripted-server.ts";

export interface BucketKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly region: string;
}

export interface SignedRequest {
  readonly method: string;
  /** Path and query as they were sent. */
  readonly target: string;
  readonly headers: IncomingMessage["headers"];
}

/** The signature that a request should have (AWS documentation: "Create a signed AWS API request"). */
export function expectedSignature({ method, target, headers }: SignedRequest, keys: BucketKeys): string {
  const [path = "", query = ""] = target.split("?");
  const parameters = query
    .split("&")
    .filter(Boolean)
    .map((pair) => (pair.includes("=") ? pair : `${pair}=`))
    .sort();
  const names = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? "")?.[1] ?? "";
  const lines = names.split(";").map((name) => `${name}:${String(headers[name] ?? "").trim()}\n`);
  const canonical = [
    ...[method, path, parameters.join("&"), lines.join(""), names],
    String(headers["x-amz-content-sha256"]),
  ].join("\n");
  const time = String(headers["x-amz-date"]);
  const scope = `${time.slice(0, 8)}/${keys.region}/s3/aws4_request`;
  const digest = createHash("sha256").update(canonical).digest("hex");
  const key = scope.split("/").reduce<string | Buffer>((from, part) => hmac(from, part), `AWS4${keys.secretAccessKey}`);
  return hmac(key, ["AWS4-HMAC-SHA256", time, scope, digest].join("\n")).toString("hex");
}

/** Makes the server a bucket that answers whoever has these keys. */
export function serveBucket(server: ScriptedServer, bucket: string, keys: BucketKeys, pageSize = 1_000): void {
  server.guard = (request, response) => {
    const { method = "", url: target = "", headers } = request;
    const credential = `Credential=${keys.accessKeyId}/`;
    const signature = `Signature=${expectedSignature({ method, target, headers }, keys)}`;
    const given = headers.authorization ?? "";
    const hasToken = headers["x-amz-security-token"] === keys.sessionToken;
    const signed = /SignedHeaders=host;x-amz-content-sha256;x-amz-date(;x-amz-security-token)?,/.test(given);
    if (given.includes(credential) && given.endsWith(signature) && hasToken && signed) return true;
    response.writeHead(403).end("<Error><Code>SignatureDoesNotMatch</Code></Error>");
    return false;
  };
  server.otherwise = (request, response) => answer(server, bucket, pageSize, request, response);
}

function answer(
  server: ScriptedServer,
  bucket: string,
  pageSize: number,
  request: IncomingMessage,
  response: ServerResponse,
) {
  const url = new URL(request.url ?? "", server.origin);
  if (url.pathname !== `/${bucket}` || url.searchParams.get("list-type") !== "2") {
    response.writeHead(404).end("<Error><Code>NoSuchKey</Code></Error>");
    return;
  }
  const prefix = url.searchParams.get("prefix") ?? "";
  const root = `/${bucket}/`;
  const found = [...server.files]
    .map(([path, content]) => ({ key: decodeURIComponent(path.slice(root.length)), content }))
    .filter(({ key }) => key.startsWith(prefix))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const from = Number(Buffer.from(url.searchParams.get("continuation-token") ?? "", "base64").toString() || 0);
  const page = found.slice(from, from + pageSize).map(({ key, content }) => {
    const name = encodeURIComponent(key).replaceAll("%20", "+").replaceAll("%2F", "/");
    const etag = etagOf(content).replaceAll('"', "&quot;");
    return `<Contents><Key>${name}</Key><ETag>${etag}</ETag><Size>${content.length}</Size></Contents>`;
  });
  const more = from + pageSize < found.length;
  const token = Buffer.from(String(from + pageSize)).toString("base64");
  const next = more ? `<NextContinuationToken>${token}</NextContinuationToken>` : "";
  const head = `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`;
  response.end(`${head}<IsTruncated>${more}</IsTruncated>${next}${page.join("")}</ListBucketResult>`);
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
