import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import { WarmgateError } from "../../shared/protocol/errors.ts";

const NOTHING = new Uint8Array(0);

/** Refuses by its declared length a body that is too large, before a byte of it is read. */
export function checkDeclaredLength(request: IncomingMessage, limit: number): void {
  const declared = request.headers["content-length"];
  if (declared !== undefined && Number(declared) > limit) throw tooLarge(limit);
}

/**
 * Reads a whole body, at most `limit` bytes of it.
 *
 * @throws WarmgateError `body_too_large` at the first byte over the limit, `invalid_request` when the caller breaks off
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Uint8Array> {
  checkDeclaredLength(request, limit);
  return new Promise((resolve, reject) => {
    let first: Uint8Array | undefined;
    let rest: Uint8Array[] | undefined;
    let length = 0;
    request.on("data", (chunk: Buffer) => {
      length += chunk.byteLength;
      if (length > limit) {
        request.pause();
        reject(tooLarge(limit));
      } else if (first === undefined) first = chunk;
      else if (rest === undefined) rest = [first, chunk];
      else rest.push(chunk);
    });
    request.on("end", () => resolve(rest ? Buffer.concat(rest, length) : (first ?? NOTHING)));
    const brokenOff = () => reject(new WarmgateError("invalid_request", "the body was cut off"));
    request.on("error", brokenOff);
    request.on("close", () => {
      if (!request.complete) brokenOff();
    });
  });
}

const unpack = { gzip: promisify(gunzip), deflate: promisify(inflate) } as const;

/**
 * Undoes the body's Content-Encoding; the limit holds for what comes out.
 *
 * @throws WarmgateError `unsupported_encoding`, `body_too_large`, `invalid_data` for a stream that is not valid
 */
export async function decompress(body: Uint8Array, encoding: string, limit: number): Promise<Uint8Array> {
  const name = encoding.trim().toLowerCase();
  if (name === "identity" || name === "") return body;
  if (name !== "gzip" && name !== "deflate") {
    throw new WarmgateError("unsupported_encoding", "the body's content encoding must be gzip or deflate");
  }
  try {
    return await unpack[name](body, { maxOutputLength: limit });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(limit);
    throw new WarmgateError("invalid_data", `the body is not valid ${name} data`);
  }
}

function tooLarge(limit: number): WarmgateError {
  return new WarmgateError("body_too_large", `the body is larger than ${limit} bytes`);
}
