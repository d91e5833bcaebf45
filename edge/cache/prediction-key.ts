/**
 * What a prediction is cached under: the same key if and only if the same answer is owed. That is, the same scope (one tenant's,
 * or everybody's for a model that is declared shared), the same artefact, inputs that are equal bit for bit, and the same outputs.
 *
 * The artefact's digest stands for the model and everything that comes with it, so a new version needs no purging: nobody asks for
 * the old keys any more. Inputs are compared as typed bytes: the same request as JSON and as binary has one key, and 0 and -0, or
 * an INT32 and a UINT32 of the same bits, have two.
 */
import type { Tensor } from "../../shared/protocol/tensor.ts";

/** Whose entries a request may see. A tagged form, so that a tenant of any name is never taken for everybody. */
export type CacheScope = { readonly tenant: string } | "shared";

export interface Prediction {
  readonly scope: CacheScope;
  /** SHA-256 of the model version and its settings, in hex. */
  readonly artefact: string;
  readonly inputs: readonly Tensor[];
  /** Names of the outputs; their order and form are the reply's matter. */
  readonly outputs: readonly string[];
}

const FORMAT = 1;
const utf8 = new TextEncoder();

/** @returns 64 hexadecimal digits, SHA-256 over {@link canonicalBytes} */
export async function predictionKey(prediction: Prediction): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", canonicalBytes(prediction)));
  let key = "";
  for (const byte of digest) key += HEX[byte];
  return key;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Every field with its length in front, so that no two different predictions have the same bytes. */
export function canonicalBytes({ scope, artefact, inputs, outputs }: Prediction): Uint8Array<ArrayBuffer> {
  const texts = [
    scope === "shared" ? "shared" : "tenant",
    scope === "shared" ? "" : scope.tenant,
    artefact,
    ...(outputs.length > 1 ? outputs.toSorted() : outputs),
  ];
  const sorted = inputs.length > 1 ? inputs.toSorted((a, b) => (a.name < b.name ? -1 : 1)) : inputs;
  let size = 3 * 4 + texts.reduce((sum, text) => sum + 4 + 3 * text.length, 0);
  for (const { name, datatype, shape, bytes } of sorted) {
    size += 4 * 4 + 3 * name.length + datatype.length + 8 * shape.length + bytes.byteLength;
  }
  const whole = new Uint8Array(size);
  const view = new DataView(whole.buffer);
  let offset = 0;
  const number = (value: number) => {
    view.setUint32(offset, value);
    offset += 4;
  };
  const text = (value: string) => {
    const { written } = utf8.encodeInto(value, whole.subarray(offset + 4));
    number(written);
    offset += written;
  };
  number(FORMAT);
  number(texts.length);
  for (const one of texts) text(one);
  number(sorted.length);
  for (const { name, datatype, shape, bytes } of sorted) {
    text(name);
    text(datatype);
    number(shape.length);
    for (const dimension of shape) {
      view.setFloat64(offset, dimension);
      offset += 8;
    }
    number(bytes.byteLength);
    whole.set(bytes, offset);
    offset += bytes.byteLength;
  }
  return whole.subarray(0, offset);
}
