/**
 * The last step of a fallback chain: outputs that no model computes. Of each output a rule gives all elements (a constant), the
 * elements of a row (a prior), or one number a row that is computed from the inputs and fills the output's row.
 *
 *     answerByRule({ kind: "rule", outputs: { score: { expression: "clamp(amount / 1e4, 0, 1)" } } }, signature, request)
 *
 * Promises: the outputs asked for, in that order, with the contract's datatypes and shapes; every element is in its datatype's
 * range, and none is NaN or Infinity. What cannot be that is a RuleFailure, and the request is refused with what had failed before.
 *
 * Rows are those of the inputs whose first dimension varies. An output whose first dimension does not is one row, which sees all
 * of the inputs.
 *
 * Worst case: 16 MiB of outputs, and 2^21 steps of computing (nodes times rows, and the elements of the inputs that are read), which
 * take about a tenth of a second and 16 MiB. What would need more is a RuleFailure before it is begun.
 */
import { encodeBytesElements } from "../../protocol/bytes-elements.ts";
import type { Datatype } from "../../protocol/datatype.ts";
import { type Expression, parseExpression, partsOf } from "../../protocol/expression.ts";
import type { OutputRule, RuleStep } from "../../protocol/fallback.ts";
import { holdsElement, holdsNumber, nearestFor } from "../../protocol/number-range.ts";
import { selectOutputs } from "../../protocol/signature.ts";
import type { InferenceRequest, ModelSignature, Tensor, TensorSpec } from "../../protocol/tensor.ts";
import { fixedCount, hasRows, rowShape } from "../../protocol/tensor-rows.ts";
import { evaluate, RuleFailure } from "./expression-value.ts";
import { InputRows, rowCount } from "./input-rows.ts";
import { packNumbers } from "./packed-numbers.ts";

const MOST_BYTES = 2 ** 24;
const MOST_STEPS = 2 ** 21;
const UTF8 = new TextEncoder();

/** How an output is divided: `rows` times `count` elements. */
interface Extent {
  readonly rows: number;
  readonly count: number;
}

/**
 * @param signature the contract's, which the request was held against
 * @throws RuleFailure, a RangeError, where the rule has no answer to this request
 * @throws WarmgateError `unknown_output`, `invalid_request` for outputs asked for that there are not
 */
export function answerByRule(
  { outputs: rules }: RuleStep,
  signature: ModelSignature,
  { inputs, outputs: requested }: Pick<InferenceRequest, "inputs" | "outputs">,
): readonly Tensor[] {
  const rows = rowCount(signature.inputs, inputs);
  const answer = new RuleAnswer(
    new InputRows(signature.inputs, inputs, rows, true),
    new InputRows(signature.inputs, inputs, rows, false),
  );
  return selectOutputs(signature, requested).map((name) => {
    const spec = signature.outputs.find((one) => one.name === name);
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    const count = spec && fixedCount(rowShape(spec, hasRows(spec)));
    if (!spec || !rule || count === undefined) throw new RuleFailure(`there is no rule for output '${name}'`);
    const shape = hasRows(spec) ? [rows, ...spec.shape.slice(1)] : spec.shape;
    const bytes = answer.output(rule, spec, { rows: hasRows(spec) ? rows : 1, count });
    return { name, datatype: spec.datatype, shape, bytes };
  });
}

class RuleAnswer {
  readonly #byRow: InputRows;
  readonly #whole: InputRows;
  #bytesLeft = MOST_BYTES;
  #stepsLeft = MOST_STEPS;

  constructor(byRow: InputRows, whole: InputRows) {
    this.#byRow = byRow;
    this.#whole = whole;
  }

  output(rule: OutputRule, spec: TensorSpec, { rows, count }: Extent): Uint8Array {
    if ("expression" in rule) return this.#computed(parseExpression(rule.expression), spec, { rows, count });
    if ("constant" in rule) return this.#repeated(encoded(spec.datatype, [rule.constant]), rows * count);
    if (rule.values.length !== count) throw new RuleFailure(`the rule has ${rule.values.length} values, not ${count}`);
    return this.#repeated(encoded(spec.datatype, rule.values), rows);
  }

  #computed(expression: Expression, spec: TensorSpec, { rows, count }: Extent): Uint8Array {
    const { datatype } = spec;
    if (datatype === "BYTES") throw new RuleFailure("an expression makes no BYTES");
    const inputs = hasRows(spec) ? this.#byRow : this.#whole;
    this.#take(stepsOf(expression, rows, inputs), rows * count * Float64Array.BYTES_PER_ELEMENT);
    const numbers = new Float64Array(rows * count);
    for (let row = 0; row < rows; row++) {
      const value = fitted(datatype, evaluate(expression, inputs.moveTo(row)));
      numbers.fill(value, row * count, (row + 1) * count);
    }
    return packNumbers(datatype, numbers);
  }

  #repeated(bytes: Uint8Array, times: number): Uint8Array {
    this.#take(0, bytes.length * times);
    const all = new Uint8Array(bytes.length * times);
    if (all.length === 0) return all;
    all.set(bytes);
    for (let done = bytes.length; done < all.length; done *= 2) all.copyWithin(done, 0, done);
    return all;
  }

  #take(steps: number, bytes: number): void {
    this.#stepsLeft -= steps;
    this.#bytesLeft -= bytes;
    const fits = this.#stepsLeft >= 0 && this.#bytesLeft >= 0;
    if (!fits) throw new RuleFailure("the request is too large for a rule");
  }
}

/** Each node once a row, and each element of the inputs that are read. */
function stepsOf(expression: Expression, rows: number, inputs: InputRows): number {
  const parts = partsOf(expression);
  const read = new Set(
    parts.flatMap((part) =>
      part.kind === "scalar" || part.kind === "element" || part.kind === "row" ? part.name : [],
    ),
  );
  return parts.length * rows + [...read].reduce((steps, name) => steps + inputs.elements(name), 0);
}

function fitted(datatype: Exclude<Datatype, "BYTES">, value: number): number {
  if (!Number.isFinite(value)) throw new RuleFailure("the rule comes to no finite number");
  if (datatype === "BOOL") return value === 0 ? 0 : 1;
  const nearest = nearestFor(datatype, value);
  if (!holdsNumber(datatype, nearest)) throw new RuleFailure(`the rule comes to a number out of range for ${datatype}`);
  return nearest;
}

function encoded(datatype: Datatype, elements: readonly (number | boolean | string)[]): Uint8Array {
  if (!elements.every((element) => holdsElement(datatype, element))) {
    throw new RuleFailure(`the rule has a value that is no ${datatype}`);
  }
  if (datatype === "BYTES") return encodeBytesElements(elements.map((element) => UTF8.encode(String(element))));
  return packNumbers(datatype, Float64Array.from(elements, Number));
}
