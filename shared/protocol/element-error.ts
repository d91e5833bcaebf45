import type { Datatype } from "./datatype.ts";
import { WarmgateError } from "./errors.ts";

/** Why an element of JSON tensor data is refused. To be called only when it is known to be wrong. */
export function wrongElement(value: unknown, datatype: Datatype, index: number, what: string): WarmgateError {
  const element = `element ${index} of ${what}`;
  if (value === null) return new WarmgateError("non_finite", `${element} is null; use binary tensor data for NaN`);
  if (datatype === "BOOL") return new WarmgateError("invalid_data", `${element} must be true or false`);
  if (datatype === "BYTES") return new WarmgateError("invalid_data", `${element} must be a string of valid Unicode`);
  if (Array.isArray(value)) return new WarmgateError("invalid_data", `${element} is an array: uneven nesting`);
  if (typeof value !== "number") return new WarmgateError("invalid_data", `${element} must be a number`);
  if (!Number.isFinite(value)) return new WarmgateError("non_finite", `${element} is not finite`);
  if (datatype !== "FP32" && !Number.isInteger(value)) {
    return new WarmgateError("invalid_data", `${element} must be a whole number for ${datatype}`);
  }
  return new WarmgateError("invalid_data", `${element} is outside the range of ${datatype}`);
}
