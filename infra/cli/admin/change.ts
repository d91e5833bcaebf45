import { UsageError } from "../usage-error.ts";

/** @throws UsageError when nothing was given to be changed */
export function requireChange(body: Readonly<Record<string, unknown>>): void {
  if (Object.keys(body).length === 0) throw new UsageError("Nothing is given to be changed; --help shows the options.");
}
