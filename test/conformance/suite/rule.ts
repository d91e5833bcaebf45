/**
 * What a rule is. A rule states one promise of the protocol, names where that promise is written, and checks it from
 * the outside, over HTTP. Nothing here or beside it is shared with any server: a suite that imports what it tests
 * would agree with that server's mistakes.
 *
 *     { id: "health/live", level: "MUST", says: "GET /v2/health/live answers 200", source: SPEC.rest, check: async (target) => … }
 */
import type { Target } from "./target.ts";

/**
 * MUST: the specification says so. SHOULD: it does not, but clients in wide use rely on it, or a caller can be harmed.
 * EXTENSION: part of an optional extension, checked only where `GET /v2` advertises it (or the caller assumes it).
 */
export type Level = "MUST" | "SHOULD" | "EXTENSION";

/** `oip` holds for any server; `warmgate` adds what only Warmgate promises. */
export type Profile = "oip" | "warmgate";

export interface Rule {
  /** `subject/name`, stable: reports of different days are compared by it. */
  readonly id: string;
  readonly level: Level;
  readonly says: string;
  /** Where the promise is written. */
  readonly source: string;
  /** The name in `extensions` of `GET /v2` without which the rule does not apply. */
  readonly extension?: string;
  /** Absent: the rule is for every server. */
  readonly profile?: "warmgate";
  /** Resolves if the promise holds; throws Violation if not, NotApplicable if it cannot be asked of this target. */
  readonly check: (target: Target) => Promise<void>;
}

export class Violation extends Error {
  override readonly name = "Violation";
}

export class NotApplicable extends Error {
  override readonly name = "NotApplicable";
}

/** Throws Violation unless `holds`. */
export function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Violation(otherwise);
}

/** Throws Violation unless both are the same JSON value. */
export function expectSame(actual: unknown, expected: unknown, what: string): void {
  const [got, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (got !== wanted) throw new Violation(`${what}: expected ${wanted}, got ${got}`);
}

/** The texts that rules cite. */
export const SPEC = {
  rest: "kserve/open-inference-protocol specification/protocol/inference_rest.md",
  yaml: "kserve/open-inference-protocol specification/protocol/open_inference_rest.yaml",
  binary: "triton-inference-server/server docs/protocol/extension_binary_data.md",
  repository: "triton-inference-server/server docs/protocol/extension_model_repository.md",
  statistics: "triton-inference-server/server docs/protocol/extension_statistics.md",
  configuration: "triton-inference-server/server docs/protocol/extension_model_configuration.md",
  schedule: "triton-inference-server/server docs/protocol/extension_schedule_policy.md",
  triton: "Triton: server src/http_server.cc, core src/infer_request.cc",
  tritonQa: "Triton: server qa/L0_http/http_test.py",
  tritonClient: "tritonclient: client src/python/library/tritonclient/http",
  tritonCpp: "Triton C++ client and perf_analyzer: client src/c++/library/http_client.cc",
  tritonAio:
    "tritonclient.http.aio: aiohttp asks for gzip, deflate and more by itself; only inference replies are undone",
  kserveClient: "KServe SDK: python/kserve/kserve/inference_client.py",
  kserveTests: "KServe SDK: python/kserve/test/test_server.py",
  http: "RFC 9110, RFC 9112",
  json: "RFC 8259",
  warmgate: "Warmgate API",
} as const;
