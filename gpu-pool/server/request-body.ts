import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { GrowingBytes } from "./growing-bytes.ts";

/** Refuses by its declared length a body that is too large, before a byte of it is read. */
export function checkDeclaredLength(request: IncomingMessage, limit: number): void {
  const declared = request.headers["content-length"];
  if (declared !== undefined && Number(declared) > limit) throw tooLarge(limit);
}

/**
 * Reads a whole body, at most `limit` bytes of it.
 *
 * @param refusal asked as the body comes in; what it gives ends the reading
 * @throws WarmgateError `body_too_large` at the first byte over the limit, `invalid_request` when the caller breaks off,
 *   or the refusal
 */
export function readBody(
  request: IncomingMessage,
  limit: number,
  refusal: () => WarmgateError | undefined = () => undefined,
): Promise<Uint8Array> {
  checkDeclaredLength(request, limit);
  return new Promise((resolve, reject) => {
    // Most bodies come in one piece, which is taken as it is.
    let only: Uint8Array | undefined;
    const pieces = new GrowingBytes();
    let length = 0;
    request.on("data", (piece: Buffer) => {
      length += piece.byteLength;
      const refused = length > limit ? tooLarge(limit) : refusal();
      if (refused) {
        request.pause();
        // What has come must not be held while the rest is awaited.
        only = undefined;
        pieces.clear();
        reject(refused);
      } else if (length === piece.byteLength) only = piece;
      else {
        if (only) pieces.append(only);
        only = undefined;
        pieces.append(piece);
      }
    });
    request.on("end", () => resolve(only ?? pieces.bytes()));
    const brokenOff = () => {
      if (!request.complete) pieces.clear();
      reject(new WarmgateError("invalid_request", "the body was cut off"));
    };
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
