import { shapeText } from "../../../shared/protocol/shape.ts";
import type { ModelSignature, TensorSpec } from "../../../shared/protocol/tensor.ts";
import { table } from "../admin/table.ts";

/** A line for each tensor: inputs, then outputs. */
export function describeSignature({ inputs, outputs }: ModelSignature): string {
  const rows = [
    ...inputs.map((spec) => ({ side: "input", ...spec })),
    ...outputs.map((spec) => ({ side: "output", ...spec })),
  ];
  return table<TensorSpec & { readonly side: string }>(
    [
      { title: "TENSOR", cell: ({ side }) => side },
      { title: "NAME", cell: ({ name }) => name },
      { title: "DATATYPE", cell: ({ datatype }) => datatype },
      { title: "SHAPE", cell: ({ shape }) => shapeText(shape) },
    ],
    rows,
  );
}
