import { shapeText } from "../../shared/protocol/shape.ts";
import type { Site } from "./step.ts";

/**
 * Checks that a tensor is BYTES with one element a row.
 *
 * @returns the rows, -1 where they vary; undefined when something is wrong, which has been told
 */
export function checkElementTypes(site: Site, input: string): number | undefined {
  const type = site.typeOf("input", input);
  if (!type) return undefined;
  const [rows, ...rest] = type.shape;
  if (type.datatype === "BYTES" && rows !== undefined && rest.length === 0) return rows;
  site.fault("input", `reads BYTES [-1], but '${input}' is ${type.datatype} ${shapeText(type.shape)}`);
  return undefined;
}
