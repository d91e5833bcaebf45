import { WarmgateError } from "./errors.ts";
import type { Parameters } from "./tensor.ts";

export const DEFAULT_TIMEOUT_MS = 10_000;
const LARGEST_TIMEOUT_MS = 60_000;

/**
 * How long a request may take from now, in milliseconds: the header of the hop before, else the protocol's parameter
 * `timeout` (microseconds, as Triton's schedule policy has it), else the default. The smaller one wins.
 *
 * @throws WarmgateError `invalid_request` for a value that is not a positive whole number in range
 */
export function timeBudget(header: string | undefined, parameters: Parameters): number {
  let budget = DEFAULT_TIMEOUT_MS;
  if (header !== undefined) {
    if (!/^[0-9]{1,5}$/.test(header) || Number(header) < 1 || Number(header) > LARGEST_TIMEOUT_MS) {
      throw new WarmgateError(
        "invalid_request",
        `x-warmgate-timeout-ms must be a whole number from 1 to ${LARGEST_TIMEOUT_MS}`,
      );
    }
    budget = Number(header);
  }
  const { timeout } = parameters;
  if (timeout === undefined || timeout === 0) return budget;
  if (typeof timeout !== "number" || !Number.isSafeInteger(timeout) || timeout < 0) {
    throw new WarmgateError("invalid_request", "the parameter timeout must be a whole number of microseconds");
  }
  const asked = Math.min(timeout / 1000, LARGEST_TIMEOUT_MS);
  return header === undefined ? asked : Math.min(budget, asked);
}
