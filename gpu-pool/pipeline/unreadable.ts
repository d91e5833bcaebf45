import { quoted } from "../../shared/protocol/envelope.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";

/** The refusal of an element that a step cannot read, by its row. */
export function unreadable(input: string, row: number, why: string): WarmgateError {
  return new WarmgateError("unreadable_input", `row ${row} of input ${quoted(input)} ${why}`);
}
