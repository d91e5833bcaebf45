/** After which failures a route's fallback chain is tried, and how far. */
import type { ErrorCode } from "../../protocol/errors.ts";

/**
 * `instant`: only what needs no further run, a cached answer or a rule, because the time for one is gone. `none`: the refusal is
 * about the request or its caller, whom another answer would not serve.
 */
export type FallbackReach = "all" | "instant" | "none";

const REACHES: Readonly<Partial<Record<ErrorCode, FallbackReach>>> = {
  pool_unavailable: "all",
  hardware_unavailable: "all",
  model_not_ready: "all",
  overloaded: "all",
  device_out_of_memory: "all",
  draining: "all",
  bad_pool_response: "all",
  internal: "all",
  model_failed: "all",
  non_finite_output: "all",
  deadline_unreachable: "instant",
  deadline_exceeded: "instant",
};

export function fallsBack(code: ErrorCode): FallbackReach {
  return REACHES[code] ?? "none";
}
