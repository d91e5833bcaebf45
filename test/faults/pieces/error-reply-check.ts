/** I7: an error is told in the one shape, with a stable code and the status that goes with it, and shows nothing of the inside. */
import { z } from "zod";
import { ERROR_KINDS } from "../../../shared/protocol/errors.ts";
import type { Answered } from "./client-record.ts";
import { jsonContent } from "./json-content.ts";

const errorBody = z.looseObject({ error: z.string(), code: z.string(), request_id: z.string() });

const RETRIED_LATER: ReadonlySet<number> = new Set([429, 503]);

const INSIDES: readonly (readonly [what: string, pattern: RegExp])[] = [
  ["a stack", /\\n\s*at |\bat \S+ \(|\.\w+:\d+:\d+/],
  [
    "a path",
    /\bnode:[a-z_]+\/|node_modules|file:\/\/|[A-Za-z]:\\\\|\/(?:home|root|usr|var|tmp|opt|etc|proc|mnt|srv)\//,
  ],
  ["a source file", /[\w-]\.(?:ts|mts|js|mjs|cjs|cc|cpp|so)\b/],
  ["an address", /\b(?:\d{1,3}\.){3}\d{1,3}:\d+|\blocalhost:\d+|\bE(?:CONN[A-Z]+|PIPE|HOSTUNREACH|TIMEDOUT)\b/],
];

/** @param id the request's. @returns what is broken, in words */
export function brokenInErrorReply({ status, headers, body }: Answered, id: string, who: string): string[] {
  const error = `the error ${status} of ${who}`;
  const broken: string[] = [];
  if (RETRIED_LATER.has(status) && !/^\d{1,5}$/.test(headers["retry-after"] ?? "")) {
    broken.push(`I7: ${error} has no Retry-After in seconds`);
  }
  if (headers["content-type"] !== "application/json") broken.push(`I7: ${error} is of type ${headers["content-type"]}`);
  for (const [what, pattern] of INSIDES) if (pattern.test(body)) broken.push(`I7: ${error} shows ${what}: ${body}`);
  const told = errorBody.safeParse(jsonContent(body));
  if (!told.success) return [...broken, `I7: ${error} has not the one error shape: ${body}`];
  const { code, request_id: named } = told.data;
  const kinds = new Map<string, { readonly status: number }>(Object.entries(ERROR_KINDS));
  const kind = kinds.get(code);
  if (!kind) broken.push(`I7: ${error} has the code ${code}, which is none`);
  else if (kind.status !== status) broken.push(`I7: ${error} has the code ${code}, whose status is ${kind.status}`);
  if (named !== id) broken.push(`I7: ${error} names the request ${named}`);
  return broken;
}
