import { WarmgateError } from "./errors.ts";
import { quoteLongIntegers } from "./json-integers.ts";
import type { CodecLimits } from "./limits.ts";

/** The JSON part of a message. */
export interface JsonDocument {
  readonly value: unknown;
  /**
   * The same document with each integer of 16 to 20 digits as a string, so that not a digit is lost beyond 2^53. It is a
   * second parse, and so made only when a 64-bit tensor turns out to need it, and once.
   */
  exact(): unknown;
}

// A byte order mark is not JSON, and must not be swallowed: it would shift what the header length counts.
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Parses the JSON part of a body.
 *
 * V8 parses without recursion, so depth is no danger here. It is bounded for the sake of whoever walks a document.
 *
 * @throws WarmgateError `malformed_json`; `invalid_request` when nested too deeply
 */
export function parseJson(bytes: Uint8Array, limits: CodecLimits): JsonDocument {
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    throw new WarmgateError("malformed_json", "the JSON part of the body is not valid UTF-8");
  }
  if (opensMoreThan(text, limits.maxJsonDepth) && nestsDeeperThan(bytes, limits.maxJsonDepth)) {
    throw new WarmgateError("invalid_request", `the JSON is nested deeper than ${limits.maxJsonDepth} levels`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new WarmgateError("malformed_json", `the JSON part of the body is not valid JSON${position(error)}`);
  }
  let exact: { readonly value: unknown } | undefined;
  return {
    value,
    exact() {
      exact ??= { value: JSON.parse(quoteLongIntegers(text)) };
      return exact.value;
    },
  };
}

/** V8's own text quotes the body, which must not reach a log; its position is worth keeping. */
function position(error: unknown): string {
  const match = error instanceof Error ? /at position (\d+)/.exec(error.message) : null;
  return match ? ` (at character ${match[1]})` : "";
}

/**
 * Whether more than `limit` arrays and objects open at all, strings included. Nearly every request has only a few, and
 * `indexOf` finds that out some twenty times faster than the full scan.
 */
function opensMoreThan(text: string, limit: number): boolean {
  let opened = 0;
  for (const bracket of ["[", "{"]) {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      opened += 1;
      if (opened > limit) return true;
    }
  }
  return false;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** The exact answer for valid JSON; for invalid JSON any answer will do, for it is refused by the parser anyway. */
function nestsDeeperThan(bytes: Uint8Array, limit: number): boolean {
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    // Digits, commas, points and spaces are all below, and are nearly all there is.
    if (byte < OPEN_BRACKET && byte !== QUOTE) continue;
    if (byte === QUOTE) {
      at += 1;
      while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
    } else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) {
      depth += 1;
      if (depth > limit) return true;
    } else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) {
      depth -= 1;
    }
  }
  return false;
}
