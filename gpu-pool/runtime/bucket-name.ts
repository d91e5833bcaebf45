import type { ModelSignature, Tensor } from "../../shared/protocol/tensor.ts";

/** The shapes behind the batch dimension, in the order of the signature: what must be equal to run together. */
export function bucketName(
  { inputs: specs }: Pick<ModelSignature, "inputs">,
  inputs: readonly Pick<Tensor, "name" | "shape">[],
): string {
  const shapeOf = (name: string) => inputs.find((input) => input.name === name)?.shape.slice(1);
  return specs.map(({ name }) => shapeOf(name)?.join("x")).join(";");
}
