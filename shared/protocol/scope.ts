/**
 * What a caller may do: `predict:<model glob>` (`*` stands for any characters), which includes the jobs of these models, `jobs` (those of
 * any model), `explain` (why requests are answered as they are), `admin`. `admin` is about the caller's own tenant; of a tenant that is
 * an operator, about all.
 */
import { z } from "zod";

const SCOPE = /^(?:predict:[A-Za-z0-9_.*-]{1,128}|jobs|explain|admin)$/;

export const scopeSchema = z.string().regex(SCOPE, "a scope is predict:<model glob>, jobs, explain or admin");

/** Whether a scope such as `predict:digits` is covered by one of the granted, in which `*` stands for any characters. */
export function scopeCovers(granted: readonly string[], needed: string): boolean {
  return granted.some((pattern) => {
    const parts = pattern.split("*");
    const [first = "", ...rest] = parts;
    const last = rest.pop();
    if (last === undefined) return pattern === needed;
    if (!needed.startsWith(first) || !needed.endsWith(last) || needed.length < first.length + last.length) return false;
    let position = first.length;
    const end = needed.length - last.length;
    for (const part of rest) {
      const found = needed.indexOf(part, position);
      if (found < 0 || found + part.length > end) return false;
      position = found + part.length;
    }
    return true;
  });
}

/** Scopes that add nothing to the others of the list, one sentence each. */
export function scopeProblems(scopes: readonly string[]): string[] {
  return scopes.flatMap((scope, index) => {
    const others = scopes.filter((_, other) => other !== index);
    if (scopes.indexOf(scope) !== index) return [`the scope ${scope} is given twice`];
    // As text, a pattern that is covered stands for names that are covered.
    return scopeCovers(
      others.filter((other) => other !== scope),
      scope,
    )
      ? [`the scope ${scope} has no effect beside the others`]
      : [];
  });
}
