/** Writes inference requests and reads inference replies, JSON and binary, with no rule of any server in mind. */
import { array, integer, type JsonObject, json, object, string } from "./documents.ts";
import type { Reply } from "./http-exchange.ts";
import { expect, expectSame } from "./rule.ts";

export interface InputTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  /** JSON data; absent if `bytes` is there. */
  readonly data?: unknown;
  /** Binary data, appended to the JSON in the order of the inputs. */
  readonly bytes?: Buffer;
}

export interface InferenceCall {
  readonly inputs: readonly InputTensor[];
  readonly outputs?: unknown;
  readonly id?: string;
  readonly parameters?: unknown;
  /** Further top-level members. */
  readonly extra?: JsonObject;
}

export interface EncodedCall {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Bytes of JSON at the start of the body. */
  readonly jsonLength: number;
}

/** The bytes of a request, with Inference-Header-Content-Length exactly when an input is binary. */
export function encode(call: InferenceCall): EncodedCall {
  const { inputs, extra, ...rest } = call;
  const blobs = inputs.flatMap((input) => (input.bytes === undefined ? [] : [input.bytes]));
  const described = inputs.map(({ bytes, ...input }) =>
    bytes === undefined ? input : { ...input, parameters: { binary_data_size: bytes.length } },
  );
  const head = Buffer.from(JSON.stringify({ ...extra, ...rest, inputs: described }));
  const headers =
    blobs.length === 0
      ? { "content-type": "application/json" }
      : { "content-type": "application/octet-stream", "inference-header-content-length": String(head.length) };
  return { headers, body: Buffer.concat([head, ...blobs]), jsonLength: head.length };
}

export interface OutputTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  /** The elements in row-major order if the output came as JSON. */
  readonly data?: readonly unknown[];
  readonly bytes?: Buffer;
  readonly parameters?: JsonObject;
}

export interface Inference {
  readonly document: JsonObject;
  readonly outputs: ReadonlyMap<string, OutputTensor>;
  /** The header's value; absent if the reply has no binary part. */
  readonly jsonLength?: number;
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Reads a successful inference reply; Violation for anything that `$inference_response` or the binary form forbids.
 * A member that is null counts as absent; a rule of its own speaks of nulls.
 */
export function decode(reply: Reply): Inference {
  expect(reply.status === 200, `expected status 200, got ${reply.status}: ${reply.body.toString("utf8", 0, 300)}`);
  const header = reply.headers["inference-header-content-length"];
  expect(header === undefined || /^\d+$/.test(header), `Inference-Header-Content-Length is not a number: ${header}`);
  const jsonLength = header === undefined ? undefined : Number(header);
  const end = jsonLength ?? reply.body.length;
  expect(end <= reply.body.length, `Inference-Header-Content-Length ${end} is beyond the body of ${reply.body.length}`);
  const document = object(json(reply.body.subarray(0, end)), "the inference reply");
  const outputs = new Map<string, OutputTensor>();
  let offset = end;
  for (const [index, value] of array(document.outputs, "`outputs`").entries()) {
    const where = `outputs[${index}]`;
    const one = object(value, where);
    const parameters = one.parameters == null ? undefined : object(one.parameters, `${where}.parameters`);
    const tensor = {
      name: string(one.name, `${where}.name`),
      datatype: string(one.datatype, `${where}.datatype`),
      shape: array(one.shape, `${where}.shape`).map((size) => integer(size, `${where}.shape`)),
      ...(parameters === undefined ? {} : { parameters }),
    };
    expect(!outputs.has(tensor.name), `output ${tensor.name} is in the reply twice`);
    if (parameters?.binary_data_size === undefined) {
      const data = array(one.data, `${where}.data`).flat(tensor.shape.length);
      expectSame(data.length, elementCount(tensor.shape), `number of elements of ${tensor.name}`);
      outputs.set(tensor.name, { ...tensor, data });
    } else {
      const size = integer(parameters.binary_data_size, `${where}.parameters.binary_data_size`);
      expect(one.data == null, `${where} has both data and binary_data_size`);
      expect(offset + size <= reply.body.length, `${where}: binary data ends beyond the body`);
      outputs.set(tensor.name, { ...tensor, bytes: reply.body.subarray(offset, offset + size) });
      offset += size;
    }
  }
  expectSame(reply.body.length, offset, "length of the body (JSON and all binary_data_size)");
  return { document, outputs, ...(jsonLength === undefined ? {} : { jsonLength }) };
}

/** BYTES in binary form: for each element 4 bytes of little-endian length, then the element. */
export function bytesTensor(elements: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(
    elements.flatMap((element) => {
      const bytes = Buffer.from(element);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

export function int32Tensor(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => {
    bytes.writeInt32LE(value, index * 4);
  });
  return bytes;
}
