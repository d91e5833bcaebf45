/** A routed request as a node is sent it. */
import { encodeInferenceRequest } from "../../shared/protocol/request.ts";
import type { Routed } from "./route.ts";

export function inferTarget({ model, version }: Pick<Routed, "model" | "version">): string {
  return `/v2/models/${model}${version === undefined ? "" : `/versions/${version}`}/infer`;
}

/**
 * Binary tensors, and every output wanted back as binary. Where there is a contract its outputs are asked for, so that a version with
 * further ones answers like one without.
 */
export function toPool({ decoded, contract }: Pick<Routed, "decoded" | "contract">): {
  readonly body: Uint8Array;
  readonly headerLength: number | string | undefined;
} {
  if (decoded.kind === "raw") return { body: decoded.body, headerLength: "0" };
  const { inputs, parameters, outputs } = decoded.request;
  const wanted = outputs ?? contract?.signature.outputs;
  return encodeInferenceRequest({
    ...{ inputs, parameters, binaryOutput: true },
    ...(wanted === undefined ? {} : { outputs: wanted.map(({ name }) => ({ name, binary: true })) }),
  });
}
