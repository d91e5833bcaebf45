/**
 * The text of a rule that computes an output from the inputs, read into a tree. It is a language of its own, with no way
 * out of it: numbers, inputs, arithmetic, comparisons, a choice and ten functions, all of which end.
 *
 *     parseExpression("amount > 1e4 ? 0.9 : clamp(0.5 * mean(history), 0, 1)")
 *
 * - `name` is an input whose row has one element, `name[3]` an element of a row, counted row-major from 0. A name that is
 *   no identifier stands in backticks, and a backtick in it is written twice.
 * - A bare name given to `min`, `max`, `mean`, `sum` or `len` stands for all elements of its row: `max(history, 0)`.
 * - A comparison is 1 or 0, and a choice takes anything but 0 for true. Comparisons are not chained.
 *
 * Worst case: a text of 500 characters, which is at most 256 nodes with 64 levels of brackets, signs and choices.
 */
import { quoted } from "./envelope.ts";
import { WarmgateError } from "./errors.ts";
import { readTokens, type Token } from "./expression-tokens.ts";

export const LONGEST_EXPRESSION = 500;
const MOST_NODES = 256;
const DEEPEST = 64;

export type BinaryOperator = "+" | "-" | "*" | "/" | "<" | "<=" | ">" | ">=" | "==" | "!=";
export type FunctionName = keyof typeof FUNCTIONS;

export type Expression =
  | { readonly kind: "number"; readonly value: number }
  /** The one element of an input's row. */
  | { readonly kind: "scalar"; readonly name: string }
  | { readonly kind: "element"; readonly name: string; readonly index: number }
  /** All elements of an input's row; only as an argument. */
  | { readonly kind: "row"; readonly name: string }
  /** How many elements an input's row has. */
  | { readonly kind: "length"; readonly name: string }
  | { readonly kind: "negation"; readonly of: Expression }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: "choice";
      readonly condition: Expression;
      readonly ifTrue: Expression;
      readonly ifFalse: Expression;
    }
  | { readonly kind: "call"; readonly name: FunctionName; readonly arguments: readonly Expression[] };

/** How many arguments each takes, and whether one may be a whole row. */
const FUNCTIONS = {
  abs: { least: 1, most: 1, rows: false },
  sqrt: { least: 1, most: 1, rows: false },
  exp: { least: 1, most: 1, rows: false },
  log: { least: 1, most: 1, rows: false },
  clamp: { least: 3, most: 3, rows: false },
  min: { least: 1, most: MOST_NODES, rows: true },
  max: { least: 1, most: MOST_NODES, rows: true },
  mean: { least: 1, most: MOST_NODES, rows: true },
  sum: { least: 1, most: MOST_NODES, rows: true },
} as const;

/** What binds tighter has a higher power. */
const POWERS: ReadonlyMap<string, number> = new Map(
  Object.entries({ "<": 2, "<=": 2, ">": 2, ">=": 2, "==": 2, "!=": 2, "+": 3, "-": 3, "*": 4, "/": 4 }),
);
const CHOICE = 1;
const COMPARISON = 2;
const SIGN = 5;

/** @throws WarmgateError `invalid_configuration` saying what is wrong, and where, for any text that is no expression */
export function parseExpression(text: string): Expression {
  if (text.length > LONGEST_EXPRESSION) {
    throw new WarmgateError("invalid_configuration", `an expression has at most ${LONGEST_EXPRESSION} characters`);
  }
  return new Parser(readTokens(text)).whole();
}

/** Every part of an expression, itself included. */
export function partsOf(expression: Expression): readonly Expression[] {
  return [expression, ...childrenOf(expression).flatMap(partsOf)];
}

function childrenOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case "negation":
      return [expression.of];
    case "binary":
      return [expression.left, expression.right];
    case "choice":
      return [expression.condition, expression.ifTrue, expression.ifFalse];
    case "call":
      return expression.arguments;
    default:
      return [];
  }
}

/** By precedence climbing: V. Pratt, "Top down operator precedence", POPL 1973. */
class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #nodes = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Expression {
    const expression = this.#expression(CHOICE);
    if (this.#peek() !== undefined) throw this.#unexpected();
    return expression;
  }

  /** What binds at least as tightly as `power`. */
  #expression(power: number): Expression {
    this.#depth += 1;
    if (this.#depth > DEEPEST) throw invalid(`it is nested more than ${DEEPEST} deep`);
    let left = this.#operand();
    for (;;) {
      const sign = this.#sign();
      const binds = sign === undefined ? undefined : POWERS.get(sign);
      if (sign === "?" && power <= CHOICE) {
        left = this.#choice(left);
      } else if (sign !== undefined && isOperator(sign) && binds !== undefined && binds >= power) {
        this.#at += 1;
        left = this.#node({ kind: "binary", operator: sign, left, right: this.#expression(binds + 1) });
        if (binds === COMPARISON && POWERS.get(this.#sign() ?? "") === COMPARISON) {
          throw invalid(`comparisons are not chained: ${this.#place()}`);
        }
      } else break;
    }
    this.#depth -= 1;
    return left;
  }

  #choice(condition: Expression): Expression {
    this.#expect("?");
    const ifTrue = this.#expression(CHOICE);
    this.#expect(":");
    return this.#node({ kind: "choice", condition, ifTrue, ifFalse: this.#expression(CHOICE) });
  }

  #operand(): Expression {
    const token = this.#peek();
    if (token === undefined) throw this.#unexpected();
    this.#at += 1;
    if (token.kind === "number") return this.#node({ kind: "number", value: token.value });
    if (token.kind === "name") {
      return this.#sign() === "(" && !token.quoted ? this.#call(token.name) : this.#input(token.name);
    }
    if (token.sign === "-") return this.#node({ kind: "negation", of: this.#expression(SIGN) });
    if (token.sign === "(") {
      const inner = this.#expression(CHOICE);
      this.#expect(")");
      return inner;
    }
    this.#at -= 1;
    throw this.#unexpected();
  }

  #input(name: string): Expression {
    if (this.#sign() !== "[") return this.#node({ kind: "scalar", name });
    this.#at += 1;
    const token = this.#peek();
    if (token?.kind !== "number" || !Number.isSafeInteger(token.value)) {
      throw invalid(`an element is named by a whole number from 0, as in x[0]: ${this.#place()}`);
    }
    this.#at += 1;
    this.#expect("]");
    return this.#node({ kind: "element", name, index: token.value });
  }

  #call(name: string): Expression {
    this.#expect("(");
    if (name === "len") return this.#length();
    if (!isFunction(name)) {
      throw invalid(`there is no function ${quoted(name)}, only len, ${Object.keys(FUNCTIONS).join(", ")}`);
    }
    const { least, most, rows } = FUNCTIONS[name];
    const given: Expression[] = [];
    do given.push((rows ? this.#row() : undefined) ?? this.#expression(CHOICE));
    while (this.#takes(","));
    this.#expect(")");
    if (given.length < least || given.length > most) {
      throw invalid(`${name} takes ${least === most ? least : `at least ${least}`} arguments, not ${given.length}`);
    }
    return this.#node({ kind: "call", name, arguments: given });
  }

  #length(): Expression {
    const row = this.#row();
    if (row === undefined) throw invalid(`len takes the name of an input ${this.#place()}`);
    this.#expect(")");
    return { kind: "length", name: row.name };
  }

  /** A bare name that is a whole argument. */
  #row(): { readonly kind: "row"; readonly name: string } | undefined {
    const token = this.#peek();
    const behind = this.#tokens[this.#at + 1];
    if (token?.kind !== "name" || behind?.kind !== "sign" || !(behind.sign === "," || behind.sign === ")")) {
      return undefined;
    }
    this.#at += 1;
    return this.#node({ kind: "row", name: token.name });
  }

  #node<Node extends Expression>(expression: Node): Node {
    this.#nodes += 1;
    if (this.#nodes > MOST_NODES) throw invalid(`it has more than ${MOST_NODES} parts`);
    return expression;
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  #sign(): string | undefined {
    const token = this.#peek();
    return token?.kind === "sign" ? token.sign : undefined;
  }

  #takes(sign: string): boolean {
    if (this.#sign() !== sign) return false;
    this.#at += 1;
    return true;
  }

  #expect(sign: string): void {
    if (!this.#takes(sign)) throw invalid(`'${sign}' is missing ${this.#place()}`);
  }

  #unexpected(): WarmgateError {
    return invalid(`a number, an input or a bracket is missing or too many ${this.#place()}`);
  }

  #place(): string {
    const token = this.#peek();
    return token === undefined ? "at its end" : `at character ${token.at + 1}`;
  }
}

function isOperator(sign: string): sign is BinaryOperator {
  return POWERS.has(sign);
}

function isFunction(name: string): name is FunctionName {
  return Object.hasOwn(FUNCTIONS, name);
}

function invalid(problem: string): WarmgateError {
  return new WarmgateError("invalid_configuration", `the expression is not understood: ${problem}`);
}
