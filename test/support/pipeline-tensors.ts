/** Tensors and places for tests of pipeline steps. */

import { type NumericDatatype, numberSink } from "../../gpu-pool/pipeline/numbers.ts";
import type { Site, StepContext, TensorType } from "../../gpu-pool/pipeline/step.ts";
import { encodeBytesElements } from "../../shared/protocol/bytes-elements.ts";
import type { Datatype } from "../../shared/protocol/datatype.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";

export function numbersTensor(
  name: string,
  datatype: NumericDatatype,
  shape: readonly number[],
  data: readonly number[],
): Tensor {
  const sink = numberSink(datatype, data.length);
  for (const [index, value] of data.entries()) sink.set(index, value);
  return { name, datatype, shape, bytes: sink.bytes };
}

export function bytesTensor(name: string, elements: readonly (string | Uint8Array)[]): Tensor {
  const bytes = encodeBytesElements(elements.map((element) => Buffer.from(element)));
  return { name, datatype: "BYTES", shape: [elements.length], bytes };
}

/** A request that nobody gives up, with all the memory there is. */
export const UNHURRIED: StepContext = { checkWanted: () => {}, remainingMs: () => 10_000, reserve: () => {} };

/** A place in a pipeline where these tensors are, and the faults that are told there. */
export function siteWith(
  tensors: Readonly<Record<string, readonly [Datatype, readonly number[]]>>,
  rest: Partial<Pick<Site, "batched" | "images" | "textOf">> = {},
): Site & { readonly faults: readonly string[] } {
  const faults: string[] = [];
  return {
    batched: true,
    images: undefined,
    textOf: () => undefined,
    ...rest,
    faults,
    fault: (field, what) => faults.push(`${field} ${what}`),
    typeOf(_field, name): TensorType | undefined {
      const type = tensors[name];
      return type && { datatype: type[0], shape: type[1] };
    },
  };
}
