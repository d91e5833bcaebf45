/** The catalogue of JSON bodies for `simple` that cannot be answered, each with the reason. */
import type { JsonObject } from "./documents.ts";
import { type Level, SPEC } from "./rule.ts";
import { simpleCall, WIDTH } from "./simple-model.ts";

export interface BadRequest {
  readonly id: string;
  readonly says: string;
  /** MUST where the body is no inference request at all; SHOULD where it does not fit the model. */
  readonly level: Level;
  readonly source?: string;
  /** The server may as well say that it does not serve the extension: 501. */
  readonly maybeNotImplemented?: true;
  readonly body: () => string | Buffer;
}

const ones = Array.from({ length: WIDTH }, () => 1);
const row = (name: string, changes: JsonObject = {}): JsonObject => ({
  ...{ name, shape: [1, WIDTH], datatype: "INT32", data: ones },
  ...changes,
});
const request = (value: unknown) => (): string => JSON.stringify(value);
/** A good request whose INPUT0 is changed. */
const input0 = (changes: JsonObject) => request({ inputs: [row("INPUT0", changes), row("INPUT1")] });
/** A good request without one member of INPUT0. */
const without = (member: string) => (): string => {
  const { [member]: _left, ...rest } = row("INPUT0");
  return JSON.stringify({ inputs: [rest, row("INPUT1")] });
};
const good = (): string => JSON.stringify({ inputs: simpleCall().inputs });

function nested(depth: number): string {
  return `{"inputs":[{"name":"INPUT0","shape":[1,16],"datatype":"INT32","data":${"[".repeat(depth)}1${"]".repeat(depth)}}]}`;
}

/** Not an inference request. */
const NO_REQUEST: readonly Omit<BadRequest, "level">[] = [
  { id: "empty-body", says: "an empty body", body: () => "" },
  { id: "not-json", says: "a body that is not JSON", body: () => "hello" },
  { id: "cut-json", says: "JSON that is cut off", body: () => good().slice(0, -5) },
  { id: "trailing-text", says: "text after the JSON", body: () => `${good()} x` },
  {
    id: "nan-literal",
    says: "NaN as a literal, which is not JSON",
    source: SPEC.json,
    body: () => good().replace(/"data":\[-?\d+/, '"data":[NaN'),
  },
  {
    id: "invalid-utf8",
    says: "JSON that is not UTF-8",
    source: `${SPEC.json} section 8.1`,
    body: () => Buffer.concat([Buffer.from('{"id":"'), Buffer.from([0xff, 0xfe]), Buffer.from(`",${good().slice(1)}`)]),
  },
  { id: "array", says: "an array instead of an object", body: request([]) },
  { id: "no-inputs", says: "no inputs member", body: request({ id: "1" }) },
  { id: "inputs-not-an-array", says: "inputs that are an object", body: request({ inputs: row("INPUT0") }) },
  { id: "input-not-an-object", says: "an input that is a number", body: request({ inputs: [1, 2] }) },
  { id: "no-name", says: "an input without name", body: without("name") },
  { id: "no-shape", says: "an input without shape", body: without("shape") },
  { id: "no-datatype", says: "an input without datatype", body: without("datatype") },
  { id: "no-data", says: "an input without data", body: without("data") },
  { id: "unknown-datatype", says: "a datatype that does not exist", body: input0({ datatype: "INT33" }) },
  { id: "name-not-a-string", says: "a name that is a number", body: input0({ name: 7 }) },
  { id: "shape-not-an-array", says: "a shape that is a number", body: input0({ shape: WIDTH }) },
  { id: "dimension-negative", says: "a negative dimension", body: input0({ shape: [1, -WIDTH] }) },
  { id: "dimension-fractional", says: "a fractional dimension", body: input0({ shape: [1.5, WIDTH] }) },
  { id: "dimension-text", says: "a dimension that is a string", body: input0({ shape: ["1", "16"] }) },
  { id: "too-few-elements", says: "fewer elements than the shape has", body: input0({ data: ones.slice(1) }) },
  { id: "too-many-elements", says: "more elements than the shape has", body: input0({ data: [...ones, 1] }) },
  {
    id: "ragged",
    says: "nested rows of different length",
    body: input0({ shape: [2, WIDTH], data: [ones.slice(1), [...ones, 1]] }),
  },
  { id: "data-not-an-array", says: "data that is a string", body: input0({ data: "1" }) },
  { id: "element-object", says: "an element that is an object", body: input0({ data: [{}, ...ones.slice(1)] }) },
  { id: "element-text", says: "text in an INT32 tensor", body: input0({ data: ["one", ...ones.slice(1)] }) },
  { id: "missing-input", says: "an input of the model left out", body: request({ inputs: [row("INPUT0")] }) },
  {
    id: "unknown-output",
    says: "an output that the model does not have",
    body: request({ inputs: [row("INPUT0"), row("INPUT1")], outputs: [{ name: "OUTPUT7" }] }),
  },
];

/** An inference request that does not fit the model, or that is built to do harm. */
const NO_FIT: readonly Omit<BadRequest, "level">[] = [
  { id: "empty-inputs", says: "inputs without an element", body: request({ inputs: [] }) },
  {
    id: "datatype-lower-case",
    says: "int32 in lower case: strings are case-sensitive",
    body: input0({ datatype: "int32" }),
  },
  { id: "element-null", says: "null in an INT32 tensor", body: input0({ data: [null, ...ones.slice(1)] }) },
  { id: "element-boolean", says: "true in an INT32 tensor", body: input0({ data: [true, ...ones.slice(1)] }) },
  { id: "element-fractional", says: "1.5 in an INT32 tensor", body: input0({ data: [1.5, ...ones.slice(1)] }) },
  {
    id: "nested-against-shape",
    says: "nesting that is not the shape's, of the right count",
    body: input0({ data: ones.map((one) => [one]) }),
  },
  {
    id: "other-datatype",
    says: "a datatype that the model does not take",
    source: SPEC.triton,
    body: input0({ datatype: "FP32" }),
  },
  {
    id: "other-width",
    says: "a fixed dimension of another size",
    source: SPEC.triton,
    body: input0({ shape: [1, 15], data: ones.slice(1) }),
  },
  { id: "other-rank", says: "a shape of another rank", source: SPEC.triton, body: input0({ shape: [WIDTH] }) },
  {
    id: "other-batch",
    says: "two inputs of different batch size",
    source: SPEC.triton,
    body: input0({ shape: [2, WIDTH], data: [...ones, ...ones] }),
  },
  {
    id: "unknown-input",
    says: "an input that the model does not have",
    source: SPEC.triton,
    body: request({ inputs: [row("INPUT0"), row("INPUT1"), row("INPUT7")] }),
  },
  {
    id: "prototype-input",
    says: "an input called __proto__",
    body: request({ inputs: [row("INPUT0"), row("INPUT1"), row("__proto__")] }),
  },
  {
    id: "repeated-input",
    says: "an input given twice",
    source: SPEC.triton,
    body: request({ inputs: [row("INPUT0"), row("INPUT0"), row("INPUT1")] }),
  },
  {
    id: "repeated-output",
    says: "an output asked for twice",
    source: `${SPEC.tritonQa} test_duplicate_output_names`,
    body: request({ inputs: [row("INPUT0"), row("INPUT1")], outputs: [{ name: "OUTPUT0" }, { name: "OUTPUT0" }] }),
  },
  {
    id: "count-overflow",
    says: "a shape whose element count overflows 64 bits",
    source: `${SPEC.tritonQa} test_buffer_size_overflow`,
    body: () =>
      JSON.stringify({ inputs: [row("INPUT0"), row("INPUT1")] }).replace("[1,16]", "[16,1152921504606846978]"),
  },
  {
    id: "size-overflow",
    says: "a shape whose size in bytes overflows 64 bits",
    source: `${SPEC.tritonQa} test_buffer_size_overflow`,
    body: () => JSON.stringify({ inputs: [row("INPUT0"), row("INPUT1")] }).replace("[1,16]", "[4,1152921504606846978]"),
  },
  { id: "vast-shape", says: "a shape of 2^40 elements with little data", body: input0({ shape: [2 ** 36, WIDTH] }) },
  {
    id: "deep-nesting",
    says: "data nested 5,000 deep",
    source: `${SPEC.tritonQa} test_json_recursion_depth_limit`,
    body: () => nested(5_000),
  },
  {
    id: "shared-memory",
    says: "an input in shared memory that was never registered",
    maybeNotImplemented: true,
    source: SPEC.triton,
    body: request({
      inputs: [
        {
          name: "INPUT0",
          shape: [1, WIDTH],
          datatype: "INT32",
          parameters: { shared_memory_region: "none", shared_memory_byte_size: 64 },
        },
        row("INPUT1"),
      ],
    }),
  },
];

export const BAD_REQUESTS: readonly BadRequest[] = [
  ...NO_REQUEST.map((bad) => ({ ...bad, level: "MUST" as const })),
  ...NO_FIT.map((bad) => ({ ...bad, level: "SHOULD" as const })),
];
