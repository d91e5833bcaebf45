/**
 * A prediction as the data centre's cache keeps it: the outputs in the protocol's binary form, under a checksum over its key and
 * itself. Whatever was cut off, altered, stored under another key or by another release reads as nothing, never as an answer.
 *
 *     bytes 0..3   format, then 16 bytes of SHA-256 over key and the rest, then
 *     stored at, expires at (float64, milliseconds since 1970), length of the JSON part (uint32; 0: all of it), the response
 */
import { decodeInferenceResponse, encodeInferenceResponse } from "../../shared/protocol/response.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";

export interface StoredPrediction {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly outputs: readonly Tensor[];
  /** Names this content: equal for equal outputs of one version. In hexadecimal digits. */
  readonly contentDigest: string;
  /** Milliseconds since 1970. */
  readonly storedAt: number;
  readonly expiresAt: number;
}

const FORMAT = 0x57_47_50_01;
const CHECKSUM_BYTES = 16;
const TIMES_AT = 4 + CHECKSUM_BYTES;
const HEADER_LENGTH_AT = TIMES_AT + 16;
const RESPONSE_AT = HEADER_LENGTH_AT + 4;
const utf8 = new TextEncoder();

/** @param response of the model, complete and finite */
export async function storedPrediction(
  response: Pick<StoredPrediction, "modelName" | "modelVersion" | "outputs">,
  storedAt: number,
  expiresAt: number,
): Promise<StoredPrediction> {
  const { modelName, modelVersion, outputs } = response;
  const { body } = encodeInferenceResponse({ modelName, modelVersion, outputs }, { binaryOutput: true });
  const contentDigest = hexadecimal((await sha256(body)).subarray(0, CHECKSUM_BYTES));
  return { modelName, modelVersion, outputs, contentDigest, storedAt, expiresAt };
}

export async function encodeStored(key: string, stored: StoredPrediction): Promise<Uint8Array<ArrayBuffer>> {
  const { body, headerLength = 0 } = encodeInferenceResponse(
    { modelName: stored.modelName, modelVersion: stored.modelVersion, outputs: stored.outputs },
    { binaryOutput: true },
  );
  const whole = new Uint8Array(RESPONSE_AT + body.byteLength);
  const view = new DataView(whole.buffer);
  view.setUint32(0, FORMAT);
  view.setFloat64(TIMES_AT, stored.storedAt);
  view.setFloat64(TIMES_AT + 8, stored.expiresAt);
  view.setUint32(HEADER_LENGTH_AT, headerLength);
  whole.set(body, RESPONSE_AT);
  whole.set(await checksum(key, whole), 4);
  return whole;
}

export async function decodeStored(key: string, bytes: Uint8Array): Promise<StoredPrediction | undefined> {
  if (bytes.byteLength < RESPONSE_AT) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== FORMAT) return undefined;
  const expected = await checksum(key, bytes);
  if (expected.some((byte, index) => byte !== bytes[4 + index])) return undefined;
  const headerLength = view.getUint32(HEADER_LENGTH_AT);
  const response = decodeInferenceResponse(
    bytes.subarray(RESPONSE_AT),
    headerLength === 0 ? null : String(headerLength),
  );
  return storedPrediction(response, view.getFloat64(TIMES_AT), view.getFloat64(TIMES_AT + 8));
}

async function checksum(key: string, { buffer, byteOffset, byteLength }: Uint8Array): Promise<Uint8Array> {
  const covered = new Uint8Array(buffer, byteOffset + TIMES_AT, byteLength - TIMES_AT);
  const name = utf8.encode(key);
  const whole = new Uint8Array(name.byteLength + covered.byteLength);
  whole.set(name);
  whole.set(covered, name.byteLength);
  return (await sha256(whole)).subarray(0, CHECKSUM_BYTES);
}

async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(bytes)));
}

function hexadecimal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
