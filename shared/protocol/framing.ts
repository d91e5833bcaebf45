import { WarmgateError } from "./errors.ts";

/** A message ready to be sent. */
export interface EncodedMessage {
  readonly body: Uint8Array;
  /** Value for `Inference-Header-Content-Length`; undefined: send no such header, the body is JSON as a whole. */
  readonly headerLength: number | undefined;
}

/** The two parts of a received body, as views of it; never as Node's Buffer, whose `slice` does not copy. */
export interface Frame {
  readonly json: Uint8Array;
  readonly binary: Uint8Array;
}

const WHOLE_NUMBER = /^(?:0|[1-9][0-9]{0,15})$/;
const UTF8 = new TextEncoder();

/**
 * Cuts a body into its JSON and its binary part (binary tensor data extension).
 *
 * @param headerLength the value of `Inference-Header-Content-Length`; null: the whole body is JSON.
 * @throws WarmgateError `invalid_header_length`
 */
export function splitBody(body: Uint8Array, headerLength: string | null): Frame {
  if (headerLength === null) return { json: body, binary: new Uint8Array(0) };
  if (!WHOLE_NUMBER.test(headerLength)) {
    throw new WarmgateError("invalid_header_length", "Inference-Header-Content-Length is not a whole number");
  }
  const length = Number(headerLength);
  if (length === 0) {
    throw new WarmgateError(
      "invalid_header_length",
      "Inference-Header-Content-Length is 0: that is a raw binary request, which has no JSON part",
    );
  }
  if (length > body.length) {
    throw new WarmgateError(
      "invalid_header_length",
      `Inference-Header-Content-Length is ${headerLength}, but the body has only ${body.length} bytes`,
    );
  }
  return {
    json: body.subarray(0, length),
    binary: new Uint8Array(body.buffer, body.byteOffset + length, body.length - length),
  };
}

/** Puts JSON and blobs together. Without a single byte of binary data no header is sent, as Triton does it. */
export function joinBody(json: string, blobs: readonly Uint8Array[]): EncodedMessage {
  const head = UTF8.encode(json);
  let size = head.length;
  for (const blob of blobs) size += blob.length;
  if (size === head.length) return { body: head, headerLength: undefined };
  const body = new Uint8Array(size);
  body.set(head);
  let at = head.length;
  for (const blob of blobs) {
    body.set(blob, at);
    at += blob.length;
  }
  return { body, headerLength: head.length };
}
