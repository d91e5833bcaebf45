/** What a limiter stores. Each migration is applied once, in order; a deployed one never changes. */
import { z } from "zod";
import { accountSchema } from "../../shared/control/lease-messages.ts";

export const LIMITER_MIGRATIONS = [
  `CREATE TABLE accounts (name TEXT PRIMARY KEY, state TEXT NOT NULL);
   CREATE TABLE slots (lease TEXT PRIMARY KEY, accounts TEXT NOT NULL, slots INTEGER NOT NULL, expires_at INTEGER NOT NULL);`,
  // A bucket that was full is one at which nothing was owed.
  `UPDATE accounts SET state = json_remove(
     json_set(state, '$.debtLows', json_array(json_object('at', json_extract(state, '$.fullAt'), 'ms', 0))),
     '$.fullAt'
   );`,
];

/** One account, as JSON in the column `state`. */
export const accountStateSchema = z.strictObject({
  version: z.int(),
  limits: accountSchema.shape.limits,
  tat: z.number(),
  debtLows: z.array(z.strictObject({ at: z.number(), ms: z.number() })),
  day: z.int(),
  dayUnits: z.number(),
  month: z.int(),
  monthUnits: z.number(),
});
