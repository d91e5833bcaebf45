import { isFloat, isNumeric } from "./numbers.ts";
import type { Site, TensorType } from "./step.ts";

/** The type of a step's tensor if it holds numbers; undefined, with the fault told, if not. */
export function numericType(site: Site, name: string): TensorType | undefined {
  return typeThat(site, name, isNumeric, "numbers");
}

/** The type of a step's tensor if it holds floats; undefined, with the fault told, if not. */
export function floatType(site: Site, name: string): TensorType | undefined {
  return typeThat(site, name, isFloat, "floats");
}

function typeThat(
  site: Site,
  name: string,
  holds: (datatype: TensorType["datatype"]) => boolean,
  what: string,
): TensorType | undefined {
  const type = site.typeOf("tensor", name);
  if (!type || holds(type.datatype)) return type;
  site.fault("tensor", `'${name}' is ${type.datatype}, which does not hold ${what}`);
  return undefined;
}
