import { WarmgateError } from "./errors.ts";
import type { Parameters, ParameterValue } from "./tensor.ts";

/**
 * Reads the members of a message's JSON, each with its type checked, and names the one it refuses.
 *
 * Written by hand because this is where anyone's JSON comes in, on every request: zod collects every issue before it
 * answers, which for 1 MB of hostile parameters took 1 to 2 s, and overflowed the stack without its code generation,
 * as on Workers (zod 4.6.7). These stop at the first fault. Members that are not read are ignored, and no key of a
 * message is ever copied onto an object but by {@link readParameters}.
 *
 * `null` counts as absent where a member is optional: clients that serialise from classes send it.
 */

export type JsonObject = Readonly<Record<string, unknown>>;

// A paired surrogate is one code point under the flag u, so this finds lone ones only.
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether the text has a UTF-8 form. `"\ud800"` in JSON makes a string that has none. */
export function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}

/** A name for an error text: quoted, and short whatever the caller sent. */
export function quoted(name: string): string {
  return name.length > 64 ? `'${name.slice(0, 64)}...'` : `'${name}'`;
}

function invalid(message: string): WarmgateError {
  return new WarmgateError("invalid_request", message);
}

export function readObject(value: unknown, what: string): JsonObject {
  if (!isObject(value)) throw invalid(`${what} must be a JSON object`);
  return value;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads a list of at most `most` items; absent is an empty list. */
export function readList(value: unknown, what: string, most: number): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`${what} must be an array`);
  if (value.length > most) throw invalid(`${what} must have at most ${most} items`);
  return value;
}

export function readText(value: unknown, what: string): string {
  if (typeof value !== "string") throw invalid(`${what} must be a string`);
  if (!isWellFormed(value)) throw invalid(`${what} is not valid Unicode`);
  return value;
}

export function readOptionalText(value: unknown, what: string): string | undefined {
  return value === undefined || value === null ? undefined : readText(value, what);
}

/** Checks `parameters` as the protocol has it, `{ string: string | number | boolean }`, and leaves out `__proto__`. */
export function readParameters(value: unknown, what: string): Parameters {
  const parameters: Record<string, ParameterValue> = {};
  if (value === undefined || value === null) return parameters;
  const source = readObject(value, what);
  for (const key of Object.keys(source)) {
    const item = source[key];
    if (typeof item !== "string" && typeof item !== "number" && typeof item !== "boolean") {
      throw invalid(`${what}: ${quoted(key)} must be a string, a number or a boolean`);
    }
    if (typeof item === "number" && !Number.isFinite(item)) throw invalid(`${what}: ${quoted(key)} is not finite`);
    if (!isWellFormed(key) || (typeof item === "string" && !isWellFormed(item))) {
      throw invalid(`${what}: ${quoted(key)} is not valid Unicode`);
    }
    if (key !== "__proto__") parameters[key] = item;
  }
  return parameters;
}

/** Reads a parameter that must be true or false. */
export function readFlag(parameters: Parameters, name: string, what: string): boolean | undefined {
  const value = parameters[name];
  if (value === undefined || typeof value === "boolean") return value;
  throw invalid(`${what}: '${name}' must be true or false`);
}
