/**
 * Bodies that came before, as what they were decoded to: a request that is repeated is not parsed again. Whoever gets the same body gets
 * the same object, by which what follows from it can be remembered as well (`cache.ts`, `routes/known-reply.ts`).
 *
 * Promises: found only for the very same bytes of the same tenant; bounded in bytes and in number.
 */
import { decodeInferenceRequest } from "../../shared/protocol/request.ts";
import type { InferenceRequest } from "../../shared/protocol/tensor.ts";
import { IsolateCache } from "../cache/isolate-cache.ts";

export type Decoded =
  | { readonly kind: "tensors"; readonly request: InferenceRequest }
  /** A raw binary request: what its bytes mean only the model's signature tells. */
  | { readonly kind: "raw"; readonly body: Uint8Array };

/** Larger ones cost more to remember than to parse, beside what else is done with them. */
const LARGEST_BODY = 16 * 1024;
const MOST_BYTES = 8 * 1024 * 1024;
const MOST_BODIES = 4_000;
const KEPT_MS = 60_000;

/** Every byte is one character, in both directions: texts are equal if and only if the bodies are. */
const bytesAsText = new TextDecoder("latin1");

export class RecentBodies {
  readonly #decoded = new IsolateCache<Decoded>(MOST_BYTES, MOST_BODIES);

  /**
   * @param headerLength value of Inference-Header-Content-Length
   * @throws WarmgateError every fault of the body
   */
  decode(body: Uint8Array, headerLength: string | null, tenant: string, now: number): Decoded {
    if (headerLength === "0") return { kind: "raw", body };
    if (body.byteLength > LARGEST_BODY) return { kind: "tensors", request: decodeInferenceRequest(body, headerLength) };
    const name = `${tenant}/${headerLength ?? ""}/${bytesAsText.decode(body)}`;
    const known = this.#decoded.get(name, now);
    if (known) return known;
    const decoded: Decoded = { kind: "tensors", request: decodeInferenceRequest(body, headerLength) };
    const bytes = decoded.request.inputs.reduce((sum, input) => sum + input.bytes.byteLength, body.byteLength);
    this.#decoded.put(name, decoded, bytes, now + KEPT_MS);
    return decoded;
  }
}
