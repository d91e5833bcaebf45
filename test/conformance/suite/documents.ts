/** Reads the protocol's JSON documents, naming the member that is wrong. */
import type { Reply } from "./http-exchange.ts";
import { expect, Violation } from "./rule.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function object(value: unknown, where: string): JsonObject {
  if (!isObject(value)) throw new Violation(`${where} is not a JSON object: ${JSON.stringify(value)}`);
  return value;
}

export function array(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Violation(`${where} is not a JSON array: ${JSON.stringify(value)}`);
  return value;
}

export function string(value: unknown, where: string): string {
  if (typeof value !== "string") throw new Violation(`${where} is not a string: ${JSON.stringify(value)}`);
  return value;
}

/** A whole number of at least `least`. */
export function integer(value: unknown, where: string, least = 0): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least) {
    throw new Violation(`${where} is not a whole number >= ${least}: ${JSON.stringify(value)}`);
  }
  return value;
}

export function json(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new Violation(`the reply is not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The reply's JSON; Violation unless the status is 200. */
export function ok(reply: Reply): unknown {
  expect(reply.status === 200, `expected status 200, got ${reply.status}`);
  return json(reply.body);
}

/** The text of `{"error": "…"}`; Violation unless the status is an error and the body has that form. */
export function errorText(reply: Reply): string {
  expect(reply.status >= 400 && reply.status <= 599, `expected an HTTP error status, got ${reply.status}`);
  const text = string(object(json(reply.body), "the error body").error, "`error`");
  expect(text.length > 0, "`error` is empty");
  return text;
}

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

export const DATATYPES: readonly string[] = [
  ...["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"],
  ...["FP16", "BF16", "FP32", "FP64", "BYTES"],
];

function tensorMetadata(value: unknown, where: string): TensorMetadata {
  const tensor = object(value, where);
  const datatype = string(tensor.datatype, `${where}.datatype`);
  expect(DATATYPES.includes(datatype), `${where}.datatype is not of the protocol: ${datatype}`);
  return {
    name: string(tensor.name, `${where}.name`),
    datatype,
    shape: array(tensor.shape, `${where}.shape`).map((size) => integer(size, `${where}.shape`, -1)),
  };
}

/** `$metadata_model_response`. A null `versions` is taken for an absent one; a rule of its own speaks of nulls. */
export function modelMetadata(reply: Reply): ModelMetadata {
  const document = object(ok(reply), "the model metadata");
  const tensors = (key: string): TensorMetadata[] =>
    array(document[key], `\`${key}\``).map((one, index) => tensorMetadata(one, `${key}[${index}]`));
  const versions = document.versions == null ? [] : array(document.versions, "`versions`");
  return {
    name: string(document.name, "`name`"),
    versions: versions.map((version) => string(version, "a version")),
    platform: string(document.platform, "`platform`"),
    inputs: tensors("inputs"),
    outputs: tensors("outputs"),
  };
}

/** `$metadata_server_response`. */
export function serverMetadata(reply: Reply): { name: string; version: string; extensions: string[] } {
  const document = object(ok(reply), "the server metadata");
  return {
    name: string(document.name, "`name`"),
    version: string(document.version, "`version`"),
    extensions: array(document.extensions, "`extensions`").map((name) => string(name, "an extension")),
  };
}
