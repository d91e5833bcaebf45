/**
 * What an ONNX file says of itself, read without ONNX Runtime: its versions, and which other files it wants to read.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 *
 * Every place where a tensor can be is looked at: a reference that was overlooked here would be followed there.
 */
import { closeSync, fstatSync, openSync } from "node:fs";
import { type Field, MalformedMessage, ProtobufReader } from "./protobuf-reader.ts";

export interface ExternalReference {
  /** The tensor's name. */
  readonly tensor: string;
  /** As the file has it: meant to be relative to the file's folder. */
  readonly location: string;
}

export interface OnnxFile {
  readonly irVersion: number | undefined;
  /** Domain -> version; the empty domain is ONNX's own. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly external: readonly ExternalReference[];
}

type Message = "model" | "graph" | "node" | "attribute" | "tensor" | "sparse" | "function" | "training";

/** Which fields of a message hold messages that a tensor can be in. */
const INNER: Readonly<Record<Message, Readonly<Record<number, Message>>>> = {
  model: { 7: "graph", 20: "training", 25: "function" },
  graph: { 1: "node", 5: "tensor", 15: "sparse" },
  node: { 5: "attribute" },
  attribute: { 5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse" },
  tensor: {},
  sparse: { 1: "tensor", 2: "tensor" },
  function: { 7: "node", 11: "attribute" },
  training: { 1: "graph", 2: "graph" },
};

const IR_VERSION = 1;
const OPSET_IMPORT = 8;
const TENSOR_NAME = 8;
const EXTERNAL_DATA = 13;
/** Protobuf itself gives up at 100 messages in one another. */
const DEEPEST = 100;
const LONGEST_TEXT = 4096;
const MOST_OPSETS = 256;
/** Files that one model may read its weights from, counted once a tensor. */
const MOST_REFERENCES = 1_000_000;

/**
 * Reads a file's head and references; blocks the thread for about a second per million nodes.
 *
 * @throws MalformedMessage when it is no protobuf message; Error when it cannot be read
 */
export function readOnnxFile(file: string): OnnxFile {
  const descriptor = openSync(file, "r");
  try {
    const reader = new ProtobufReader(descriptor, fstatSync(descriptor).size);
    let irVersion: number | undefined;
    const opsets = new Map<string, number>();
    for (const field of reader.fields(0, reader.size)) {
      if (field.id === IR_VERSION && field.kind === "number") irVersion = field.value;
      if (field.id === OPSET_IMPORT && field.kind === "bytes" && opsets.size < MOST_OPSETS) {
        const { domain, version } = readOpset(reader, field.start, field.end);
        opsets.set(domain, version);
      }
    }
    const external: ExternalReference[] = [];
    collectExternal(reader, "model", 0, reader.size, 0, external);
    return { irVersion, opsets, external };
  } finally {
    closeSync(descriptor);
  }
}

function readOpset(reader: ProtobufReader, start: number, end: number): { domain: string; version: number } {
  const opset = { domain: "", version: 0 };
  for (const field of reader.fields(start, end)) {
    if (field.id === 1) opset.domain = textOf(reader, field);
    else if (field.id === 2 && field.kind === "number") opset.version = field.value;
  }
  return opset;
}

function collectExternal(
  reader: ProtobufReader,
  message: Message,
  start: number,
  end: number,
  depth: number,
  found: ExternalReference[],
): void {
  if (depth > DEEPEST) throw new MalformedMessage("it is nested too deeply");
  if (message === "tensor") {
    found.push(...externalOf(reader, start, end));
    if (found.length > MOST_REFERENCES) throw new MalformedMessage("it refers to too many files");
    return;
  }
  for (const field of reader.fields(start, end)) {
    const inner = INNER[message][field.id];
    if (inner && field.kind === "bytes") collectExternal(reader, inner, field.start, field.end, depth + 1, found);
  }
}

function externalOf(reader: ProtobufReader, start: number, end: number): ExternalReference[] {
  let tensor = "";
  const locations: string[] = [];
  for (const field of reader.fields(start, end)) {
    if (field.id === TENSOR_NAME) tensor = textOf(reader, field);
    if (field.id !== EXTERNAL_DATA || field.kind !== "bytes") continue;
    const entry = { key: "", value: "" };
    for (const part of reader.fields(field.start, field.end)) {
      if (part.id === 1) entry.key = textOf(reader, part);
      else if (part.id === 2) entry.value = textOf(reader, part);
    }
    if (entry.key === "location") locations.push(entry.value);
  }
  return locations.map((location) => ({ tensor, location }));
}

function textOf(reader: ProtobufReader, field: Field): string {
  return field.kind === "bytes" ? reader.text(field.start, field.end, LONGEST_TEXT) : "";
}
