/**
 * Reads what the caller sent: under the cap, of a type and encoding that is accepted, as typed tensors. Parsing JSON
 * is elastic work and is done here; the pool is sent binary tensors.
 */
import type { CompressionName } from "../../shared/protocol/accept-encoding.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { INFERENCE_HEADER_LENGTH } from "../../shared/protocol/headers.ts";
import { readCapped } from "./body.ts";
import type { Hold } from "./held-bytes.ts";
import { type Decoded, RecentBodies } from "./recent-bodies.ts";

const recent = new RecentBodies();

/**
 * @param caps the body's bytes, before and after decompression, and how many milliseconds it may take to arrive
 * @param hold what its bytes count for
 * @throws WarmgateError `body_too_large`, `overloaded`, `request_timeout`, `unsupported_media_type`, `unsupported_encoding`, and every fault of the body
 */
export async function decode(
  request: Request,
  tenant: string,
  caps: { readonly maxBodyBytes: number; readonly timeoutMs: number },
  hold: Hold,
): Promise<{ readonly decoded: Decoded; readonly bytes: number }> {
  const { maxBodyBytes, timeoutMs } = caps;
  checkMediaType(request.headers.get("content-type"));
  const encoding = bodyEncoding(request.headers.get("content-encoding"));
  let body: Uint8Array;
  try {
    const tooLarge = () => new WarmgateError("body_too_large", `the body is larger than ${maxBodyBytes} bytes`);
    body = await withinTime(readCapped(request, maxBodyBytes, encoding, tooLarge, hold), timeoutMs);
  } catch (error) {
    if (error instanceof WarmgateError) throw error;
    const reason = encoding ? `the body is not valid ${encoding} data` : "the body was cut off";
    throw new WarmgateError(encoding ? "invalid_data" : "invalid_request", reason);
  }
  const headerLength = request.headers.get(INFERENCE_HEADER_LENGTH);
  return { decoded: recent.decode(body, headerLength, tenant, Date.now()), bytes: body.byteLength };
}

/** A caller who sends slowly must not hold a slot of its tenant for longer than it said that it would. */
async function withinTime<Value>(pending: Promise<Value>, timeoutMs: number): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new WarmgateError("request_timeout", "the body did not arrive within the request's time budget")),
    timeoutMs,
  );
  try {
    return await Promise.race([pending, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function checkMediaType(header: string | null): void {
  const type = header?.split(";")[0]?.trim().toLowerCase() ?? "";
  // curl -d says form-urlencoded unless told otherwise; what decides is whether the body can be read.
  const accepted = ["", "application/json", "application/octet-stream", "application/x-www-form-urlencoded"];
  if (!accepted.includes(type)) {
    throw new WarmgateError(
      "unsupported_media_type",
      "the content type must be application/json or application/octet-stream",
    );
  }
}

function bodyEncoding(header: string | null): CompressionName | undefined {
  const name = header?.trim().toLowerCase() ?? "";
  if (name === "" || name === "identity") return undefined;
  if (name === "gzip" || name === "deflate") return name;
  throw new WarmgateError("unsupported_encoding", "the body's content encoding must be gzip or deflate");
}
