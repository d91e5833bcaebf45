/** Every datatype of the protocol through its identity model, in JSON and in binary form. */
import { errorText } from "./documents.ts";
import type { Reply } from "./http-exchange.ts";
import { type Identity, identityOf, through } from "./identity-model.ts";
import { bytesTensor, decode, type OutputTensor } from "./inference.ts";
import { expect, expectSame, type Rule, SPEC } from "./rule.ts";
import type { Target } from "./target.ts";

interface Sample {
  readonly datatype: string;
  /** Edge values with an exact JSON form; absent for datatypes that JSON cannot carry. */
  readonly values?: readonly unknown[];
  /** Values in binary form, hexadecimal, and how many they are. */
  readonly hex: string;
  readonly count: number;
}

/** The FP16 and FP32 vectors are those that KServe publishes. */
const SAMPLES: readonly Sample[] = [
  { datatype: "BOOL", values: [true, false, false, true], hex: "01000001", count: 4 },
  { datatype: "UINT8", values: [0, 1, 127, 128, 255], hex: "00017f80ff", count: 5 },
  { datatype: "UINT16", values: [0, 1, 65535], hex: "00000100ffff", count: 3 },
  { datatype: "UINT32", values: [0, 1, 4294967295], hex: "0000000001000000ffffffff", count: 3 },
  { datatype: "UINT64", values: [0, 1, 9007199254740991], hex: "0000000000000000ffffffffffffffff", count: 2 },
  { datatype: "INT8", values: [-128, -1, 0, 127], hex: "80ff007f", count: 4 },
  { datatype: "INT16", values: [-32768, -1, 0, 32767], hex: "0080ffff0000ff7f", count: 4 },
  { datatype: "INT32", values: [-2147483648, -1, 2147483647], hex: "00000080ffffffffffffff7f", count: 3 },
  { datatype: "INT64", values: [-9007199254740991, -1, 0], hex: "0000000000000080ffffffffffffff7f", count: 2 },
  { datatype: "FP16", hex: "cd469a41cd449a3d0046cd428044663e", count: 8 },
  { datatype: "BF16", hex: "803f00c0000000007fff80ff", count: 6 },
  {
    datatype: "FP32",
    values: [0, 1.5, -2.25, 16777216, 1.401298464324817e-45, 3.4028234663852886e38],
    hex: "9a99d940333333409a9999403333b33f0000c0409a99594000009040cdcccc3f",
    count: 8,
  },
  {
    datatype: "FP64",
    values: [0, 0.1, -1e308, 5e-324, 9007199254740992],
    hex: "9a9999999999b93f000000000000f87f000000000000f07f",
    count: 3,
  },
  {
    datatype: "BYTES",
    values: ["", "plain", 'quote " and \\', "línea\nnueva", "界🙂"],
    hex: bytesTensor(["", "plain", "界🙂"]).toString("hex"),
    count: 3,
  },
];

function only(reply: Reply, identity: Identity, shape: readonly number[]): OutputTensor {
  const output = decode(reply).outputs.get(identity.output.name);
  expect(output !== undefined, `output ${identity.output.name} is not in the reply`);
  expectSame(output.datatype, identity.output.datatype, "datatype");
  expectSame(output.shape, shape, "shape");
  return output;
}

const BINARY = { parameters: { binary_data_output: true } };

function jsonRoundTrip({ datatype, values }: Sample): readonly Rule[] {
  if (values === undefined) return [];
  const check = async (target: Target): Promise<void> => {
    const identity = await identityOf(target, datatype);
    const reply = await through(target, identity, [1, values.length], { data: values });
    const data = only(reply, identity, [1, values.length]).data ?? [];
    const seen =
      datatype === "FP32" ? data.map((value) => (typeof value === "number" ? Math.fround(value) : value)) : data;
    expectSame(seen, values, "values");
  };
  const says = `${datatype} in JSON comes back with the same values`;
  return [{ id: `datatypes/json-${datatype}`, level: "MUST", says, source: `${SPEC.rest}, Tensor Data Types`, check }];
}

function binaryRoundTrip({ datatype, hex, count }: Sample): Rule {
  return {
    id: `datatypes/binary-${datatype}`,
    level: "EXTENSION",
    says: `${datatype} in binary form comes back with the same bytes`,
    source: datatype === "FP16" || datatype === "FP32" ? `${SPEC.binary}; vector of ${SPEC.kserveTests}` : SPEC.binary,
    extension: "binary_tensor_data",
    check: async (target) => {
      const identity = await identityOf(target, datatype);
      const reply = await through(target, identity, [1, count], { bytes: Buffer.from(hex, "hex") }, BINARY);
      expectSame(only(reply, identity, [1, count]).bytes?.toString("hex"), hex, "bytes");
    },
  };
}

/** JSON data that the datatype cannot hold. */
const OUT_OF_RANGE: readonly (readonly [datatype: string, literal: string])[] = [
  ["UINT8", "256"],
  ["UINT8", "-1"],
  ["INT8", "128"],
  ["UINT16", "65536"],
  ["INT16", "-32769"],
  ["UINT32", "-1"],
  ["INT32", "2147483648"],
  ["UINT64", "-1"],
  ["INT64", "9223372036854775808"],
  ["FP32", "1e39"],
];

/** Sends one element written as it stands, so that no rounding of ours comes between. */
async function literal(target: Target, datatype: string, text: string): Promise<Reply> {
  const { model, input } = await identityOf(target, datatype);
  const body = `{"inputs":[{"name":${JSON.stringify(input.name)},"shape":[1,1],"datatype":"${datatype}","data":[${text}]}]}`;
  const headers = { "content-type": "application/json" };
  return target.send({ method: "POST", path: `/v2/models/${model}/infer`, headers, body: Buffer.from(body) });
}

function outOfRange(datatype: string, text: string): Rule {
  return {
    id: `datatypes/range-${datatype}-${text}`,
    level: "SHOULD",
    says: `${text} as ${datatype} in JSON is refused, not wrapped around`,
    source: `${SPEC.rest}, Tensor Data: coerce or return an error; a wrapped value is neither`,
    check: async (target) => {
      const reply = await literal(target, datatype, text);
      expect(reply.status !== 200, `accepted, and answered ${reply.body.toString("utf8", 0, 200)}`);
      errorText(reply);
    },
  };
}

function exactInteger(datatype: string, text: string): Rule {
  return {
    id: `datatypes/exact-${datatype}-${text}`,
    level: "SHOULD",
    says: `${text} as ${datatype} in JSON comes back exactly or is refused, never rounded`,
    source: `${SPEC.rest}, Tensor Data Types: 64 bits`,
    check: async (target) => {
      const reply = await literal(target, datatype, text);
      if (reply.status !== 200) errorText(reply);
      else expect(new RegExp(`\\b${text.replace("-", "")}\\b`).test(reply.body.toString()), "the value was rounded");
    },
  };
}

/** One NaN in a datatype that is answered in JSON, where NaN has no form. */
function notANumber(datatype: string, hex: string): Rule {
  return {
    id: `datatypes/nan-${datatype}-json`,
    level: "SHOULD",
    says: `a NaN in a ${datatype} output asked for in JSON is neither broken JSON nor null`,
    source: `${SPEC.json} section 6: NaN has no form`,
    extension: "binary_tensor_data",
    check: async (target) => {
      const identity = await identityOf(target, datatype);
      const reply = await through(target, identity, [1, 1], { bytes: Buffer.from(hex, "hex") });
      if (reply.status !== 200) errorText(reply);
      else expect(only(reply, identity, [1, 1]).data?.[0] !== null, "NaN came back as null");
    },
  };
}

function halfInJson(datatype: string): readonly Rule[] {
  return [
    {
      id: `datatypes/${datatype}-input-json`,
      level: "SHOULD",
      says: `${datatype} sent as JSON is refused`,
      source: `${SPEC.kserveTests}; ${SPEC.triton}: receiving ${datatype} data via JSON is not supported`,
      check: async (target) => {
        const identity = await identityOf(target, datatype);
        errorText(await through(target, identity, [1, 2], { data: [1, 2] }));
      },
    },
    {
      id: `datatypes/${datatype}-output-json`,
      level: "SHOULD",
      says: `a ${datatype} output not asked for in binary form is refused`,
      source: `${SPEC.kserveTests}; ${SPEC.triton}`,
      extension: "binary_tensor_data",
      check: async (target) => {
        const identity = await identityOf(target, datatype);
        errorText(await through(target, identity, [1, 2], { bytes: Buffer.from("003c0040", "hex") }));
      },
    },
  ];
}

function emptyTensor(datatype: string): Rule {
  return {
    id: `datatypes/empty-${datatype}`,
    level: "SHOULD",
    says: `a ${datatype} tensor without elements, data null and binary_data_size 0, is answered or refused, not failed`,
    source: `${SPEC.kserveClient} sends it so`,
    extension: "binary_tensor_data",
    check: async (target) => {
      const identity = await identityOf(target, datatype);
      const { name } = identity.input;
      const input = { name, shape: [1, 0], datatype, data: null, parameters: { binary_data_size: 0 } };
      const reply = await target.post(`/v2/models/${identity.model}/infer`, { inputs: [input] });
      if (reply.status === 200) only(reply, identity, [1, 0]);
      else {
        errorText(reply);
        expect(reply.status < 500, `expected 200 or 4xx, got ${reply.status}`);
      }
    },
  };
}

export const datatypeRules: readonly Rule[] = [
  ...SAMPLES.flatMap(jsonRoundTrip),
  ...SAMPLES.map(binaryRoundTrip),
  ...OUT_OF_RANGE.map(([datatype, text]) => outOfRange(datatype, text)),
  exactInteger("INT64", "9007199254740993"),
  exactInteger("INT64", "-9223372036854775808"),
  exactInteger("UINT64", "18446744073709551615"),
  notANumber("FP32", "0000c07f"),
  notANumber("FP64", "000000000000f87f"),
  ...["FP16", "BF16"].flatMap(halfInJson),
  ...["FP32", "BYTES"].map(emptyTensor),
];
