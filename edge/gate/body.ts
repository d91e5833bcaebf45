/** Reading bodies under a cap, from callers and from the pool alike. */
import type { CompressionName } from "../../shared/protocol/accept-encoding.ts";
import type { WarmgateError } from "../../shared/protocol/errors.ts";
import type { Hold } from "./held-bytes.ts";

/** What counts for its length before it is there; larger bodies count as they come, or a promise of bytes would keep others out. */
const AT_ONCE_BYTES = 64 * 1024;

/**
 * Reads a request's or response's body whole; one that goes over the limit is cut off there.
 *
 * @param hold what its bytes count for; left out for what is small
 * @throws WarmgateError from `tooLarge`, `overloaded`
 */
export async function readCapped(
  message: Request | Response,
  limit: number,
  encoding: CompressionName | undefined,
  tooLarge: () => WarmgateError,
  hold?: Hold,
): Promise<Uint8Array> {
  const declaredLength = message.headers.get("content-length");
  if (declaredLength !== null && Number(declaredLength) > limit) {
    await message.body?.cancel();
    throw tooLarge();
  }
  if (encoding === undefined && declaredLength !== null && Number(declaredLength) <= AT_ONCE_BYTES) {
    try {
      hold?.grow(Number(declaredLength));
    } catch (error) {
      await message.body?.cancel();
      throw error;
    }
    // Before anything asks for the body as a stream: making one costs half as much as reading it.
    return new Uint8Array(await message.arrayBuffer());
  }
  const { body } = message;
  if (body === null) return new Uint8Array(0);
  const plain = encoding === undefined ? body : body.pipeThrough(decompressor(encoding));
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = plain.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.byteLength;
    try {
      if (length > limit) throw tooLarge();
      hold?.grow(value.byteLength);
    } catch (error) {
      await reader.cancel();
      throw error;
    }
    chunks.push(value);
  }
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

/** Content-Encoding `deflate` is the zlib format (RFC 9110, 8.4.1.2), which the platform calls `deflate` too. */
function decompressor(encoding: CompressionName): ReadableWritablePair<Uint8Array, Uint8Array> {
  return new DecompressionStream(encoding) as ReadableWritablePair<Uint8Array, Uint8Array>;
}
