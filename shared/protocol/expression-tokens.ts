/** An expression's text in its smallest parts. */
import { WarmgateError } from "./errors.ts";

interface Placed {
  /** Characters before it. */
  readonly at: number;
}

export type Token = Placed &
  (
    | { readonly kind: "number"; readonly value: number }
    /** `quoted`: it stood in backticks, and so is an input, whatever functions there are. */
    | { readonly kind: "name"; readonly name: string; readonly quoted: boolean }
    | { readonly kind: "sign"; readonly sign: string }
  );

const SPACE = /\s*/y;
const NUMBER = /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const QUOTED = /`((?:[^`]|``)+)`/y;
const SIGN = /<=|>=|==|!=|[-+*/()[\],?:<>]/y;

/** @throws WarmgateError `invalid_configuration` for a character that begins nothing, and for a number that is too large */
export function readTokens(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = endOf(SPACE, text, 0);
  while (at < text.length) {
    const { token, end } = tokenAt(text, at);
    tokens.push(token);
    at = endOf(SPACE, text, end);
  }
  return tokens;
}

function tokenAt(text: string, at: number): { token: Token; end: number } {
  const number = match(NUMBER, text, at);
  if (number) {
    const value = Number(number[0]);
    if (!Number.isFinite(value)) throw invalid(`the number at character ${at + 1} is too large`);
    return { token: { kind: "number", value, at }, end: at + number[0].length };
  }
  const name = match(NAME, text, at);
  if (name) return { token: { kind: "name", name: name[0], quoted: false, at }, end: at + name[0].length };
  const inTicks = match(QUOTED, text, at);
  if (inTicks) {
    const [whole, inner = ""] = inTicks;
    const token = { kind: "name", name: inner.replaceAll("``", "`"), quoted: true, at } as const;
    return { token, end: at + whole.length };
  }
  const sign = match(SIGN, text, at);
  if (sign) return { token: { kind: "sign", sign: sign[0], at }, end: at + sign[0].length };
  throw invalid(`nothing begins as character ${at + 1} does`);
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function endOf(pattern: RegExp, text: string, at: number): number {
  return at + (match(pattern, text, at)?.[0].length ?? 0);
}

function invalid(problem: string): WarmgateError {
  return new WarmgateError("invalid_configuration", `the expression is not understood: ${problem}`);
}
