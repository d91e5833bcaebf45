/**
 * How long a serving process may take from its start to its first word: until then it answers no question, so one that hangs
 * there (a driver that does not come back, a disk that does not answer) would be waited for for ever.
 */
import { parseArgs } from "node:util";
import { z } from "zod";

/** In milliseconds; 0: for ever. Finding out whether a GPU can be used comes before the first word. */
export const startLimit = z.coerce
  .number()
  .int()
  .max(3_600_000)
  .refine((ms) => ms === 0 || ms >= 1_000, "must be 0, which is no limit, or at least 1000")
  .default(120_000);

/** @param args of the serving process, which refuses what is wrong in them; here that counts as not given */
export function startLimitOf(args: readonly string[]): number {
  const { values } = parseArgs({ args: [...args], strict: false, options: { "start-limit-ms": { type: "string" } } });
  return startLimit.catch(startLimit.parse(undefined)).parse(values["start-limit-ms"]);
}
