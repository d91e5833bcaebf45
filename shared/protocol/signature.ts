/**
 * A request held against what a model declares. Whatever passes, ONNX Runtime will not refuse for its form: it is checked
 * here because the runtime ignores inputs that it does not know, and because a refusal here costs the device nothing.
 */

import { quoted } from "./envelope.ts";
import { WarmgateError } from "./errors.ts";
import { shapeText } from "./shape.ts";
import type { ModelSignature, RequestedOutput, Tensor, TensorSpec } from "./tensor.ts";
import { checkValues } from "./value-range.ts";

/**
 * Checks that each declared input is there once, that nothing else is, that datatypes, ranks and fixed dimensions are
 * the declared ones, and values within declared ranges. A dimension that varies (-1) takes any size, 0 included.
 *
 * @throws WarmgateError `input_mismatch`, `invalid_data`
 */
export function checkInputs(signature: ModelSignature, inputs: readonly Tensor[]): void {
  const seen = new Set<string>();
  for (const input of inputs) {
    if (seen.has(input.name)) throw mismatch(`input ${quoted(input.name)} is given more than once`);
    seen.add(input.name);
    const spec = signature.inputs.find(({ name }) => name === input.name);
    if (spec === undefined) {
      throw mismatch(`unexpected input ${quoted(input.name)}: the model expects ${namesOf(signature.inputs)}`);
    }
    checkInput(spec, input);
  }
  const missing = signature.inputs.find(({ name }) => !seen.has(name));
  if (missing !== undefined) {
    const expected = `${missing.datatype} ${shapeText(missing.shape)}`;
    throw mismatch(
      `expected ${signature.inputs.length} inputs but got ${inputs.length}: input ${quoted(missing.name)} (${expected}) is missing`,
    );
  }
}

function checkInput(spec: TensorSpec, input: Tensor): void {
  const name = quoted(input.name);
  if (input.datatype !== spec.datatype) {
    throw mismatch(`input ${name} data-type is '${input.datatype}', but model expects '${spec.datatype}'`);
  }
  const fits =
    input.shape.length === spec.shape.length &&
    spec.shape.every((dimension, axis) => dimension === -1 || dimension === input.shape[axis]);
  if (!fits) {
    throw mismatch(
      `unexpected shape for input ${name}: expected ${shapeText(spec.shape)}, got ${shapeText(input.shape)}`,
    );
  }
  if (spec.range) checkValues(spec.range, input);
}

/**
 * The names of the outputs to compute, in the order asked for; all of them, in the model's order, when none is listed.
 *
 * @throws WarmgateError `unknown_output`; `invalid_request` for an output listed twice
 */
export function selectOutputs(
  signature: ModelSignature,
  requested: readonly RequestedOutput[] | undefined,
): readonly string[] {
  if (requested === undefined || requested.length === 0) return signature.outputs.map(({ name }) => name);
  const names = new Set<string>();
  for (const { name } of requested) {
    if (names.has(name)) throw new WarmgateError("invalid_request", `output ${quoted(name)} is listed more than once`);
    if (!signature.outputs.some((spec) => spec.name === name)) {
      throw new WarmgateError(
        "unknown_output",
        `unexpected output ${quoted(name)}: the model has ${namesOf(signature.outputs)}`,
      );
    }
    names.add(name);
  }
  return [...names];
}

function namesOf(specs: readonly TensorSpec[]): string {
  return specs.map(({ name }) => quoted(name)).join(", ");
}

function mismatch(message: string): WarmgateError {
  return new WarmgateError("input_mismatch", message);
}
