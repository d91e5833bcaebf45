/**
 * Which series a PromQL expression reads and which labels it relies on: as much of the grammar as the rules here use, so that they
 * can be held against what the pool exports. Whether an expression is valid is for promtool to say.
 */

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

export interface Matcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

export interface Expression {
  readonly selectors: readonly Selector[];
  /** The labels of each `by`, with the series that are summed up by them. */
  readonly groupings: readonly { readonly labels: readonly string[]; readonly over: readonly Selector[] }[];
  /** The labels of each `on`, with the two series that must have them: the first of all, and the first after it. */
  readonly matches: readonly { readonly labels: readonly string[]; readonly of: readonly Selector[] }[];
}

const TOKEN = /"[^"]*"|\[[^\]]*\]|\d[\w.]*|[a-zA-Z_:][\w:]*|[=!]~|[!=<>]=|[^\s]/g;
const NAME = /^[a-zA-Z_:]/;
/** Words that stand where a metric could. */
const OPERATORS = new Set(["and", "or", "unless", "bool", "offset", "group_left"]);

export function readExpression(text: string): Expression {
  const tokens: readonly string[] = text.match(TOKEN) ?? [];
  const found: { readonly selector: Selector; readonly at: number }[] = [];
  const groupings: { labels: string[]; from: number; to: number }[] = [];
  const matches: { labels: string[]; from: number }[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? "";
    const following = tokens[at + 1];
    if (token === "by" || token === "on") {
      const end = closing(tokens, at + 1);
      const labels = tokens.slice(at + 2, end).filter((label) => label !== ",");
      if (token === "on") matches.push({ labels, from: end });
      else groupings.push({ labels, from: end + 1, to: closing(tokens, end + 1) });
      at = end;
    } else if (NAME.test(token) && !OPERATORS.has(token) && following !== "(" && following !== "by") {
      const end = following === "{" ? tokens.indexOf("}", at) : at;
      found.push({ selector: { metric: token, matchers: readMatchers(tokens.slice(at + 2, end)) }, at });
      at = end;
    }
  }
  const within = (from: number, to: number) =>
    found.filter(({ at }) => at > from && at < to).map(({ selector }) => selector);
  return {
    selectors: within(-1, tokens.length),
    groupings: groupings.map(({ labels, from, to }) => ({ labels, over: within(from, to) })),
    matches: matches.map(({ labels, from }) => ({
      labels,
      of: [...within(-1, from).slice(0, 1), ...within(from, tokens.length).slice(0, 1)],
    })),
  };
}

/** Where the bracket closes that opens there. */
function closing(tokens: readonly string[], opening: number): number {
  let depth = 0;
  for (let at = opening; at < tokens.length; at++) {
    if (tokens[at] === "(") depth++;
    else if (tokens[at] === ")" && --depth === 0) return at;
  }
  throw new RangeError("a bracket is not closed");
}

function readMatchers(tokens: readonly string[]): Matcher[] {
  const matchers: Matcher[] = [];
  for (let at = 0; at + 2 < tokens.length; at += 4) {
    const [label = "", operator = "", value = ""] = tokens.slice(at, at + 3);
    matchers.push({ label, operator, value: value.slice(1, -1) });
  }
  return matchers;
}
