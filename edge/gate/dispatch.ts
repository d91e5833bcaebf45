/**
 * The step that sends a request to a node: chosen now, for what is known of nodes changes with every reply; and what came of it is noted,
 * for the next choice.
 */

import { chooseOfTwo } from "../../shared/control/routing/node-choice.ts";
import type { Outcome } from "../../shared/control/routing/outlier-ejection.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { KnownNode } from "../../shared/protocol/pool-node.ts";
import type { EdgeSettings } from "../environment.ts";
import { chooseNode, type NodeChoice } from "../pool/choose-node.ts";
import type { PoolView } from "../pool/pool-view.ts";
import { forward, type PoolAnswer, type PoolCall } from "./forward.ts";
import { nodeStates } from "./pool-view.ts";
import type { Routed } from "./route.ts";

/** With less time than this a silent node may be a busy one. */
const TELLING_BUDGET_MS = 1_000;

/** One try, as the explanation shows it. */
export interface Attempt {
  readonly node: string;
  /** `answered`, or the code of the refusal. */
  outcome: string;
  ms: number;
}

export interface Trail {
  choice?: NodeChoice;
  readonly attempts: Attempt[];
}

/**
 * @throws WarmgateError `hardware_unavailable`, `pool_unavailable` where nobody is there to be asked, and as `forward`
 */
export async function dispatch(
  view: PoolView,
  routed: Pick<Routed, "capability" | "hardware">,
  call: PoolCall,
  settings: EdgeSettings,
  trail: Trail,
): Promise<PoolAnswer> {
  const startedAt = Date.now();
  const { node, url } = nodeFor(view, routed, call.tenant, trail, startedAt);
  const attempt: Attempt = { node, outcome: "answered", ms: 0 };
  trail.attempts.push(attempt);
  nodeStates.begun(node);
  let outcome: Outcome = "answered";
  let deviceMs: number | undefined;
  try {
    const onWait = (waitMs: number) => nodeStates.told(node, waitMs, Date.now());
    const answer = await forward({ ...call, onWait }, url, settings, startedAt);
    deviceMs = answer.usage.deviceMs;
    return answer;
  } catch (error) {
    attempt.outcome = error instanceof WarmgateError ? error.code : "internal";
    outcome = outcomeOf(attempt.outcome, call.budgetMs);
    throw error;
  } finally {
    const now = Date.now();
    attempt.ms = now - startedAt;
    nodeStates.ended(node, outcome, deviceMs, now);
  }
}

/** Load that is shed, and what a request brought upon itself, are no ill health. */
function outcomeOf(code: string, budgetMs: number): Outcome {
  if (code === "deadline_exceeded") return budgetMs >= TELLING_BUDGET_MS ? "failed" : "answered";
  return code === "pool_unavailable" || code === "bad_pool_response" || code === "internal" ? "failed" : "answered";
}

/** The node that is chosen now. @throws WarmgateError `hardware_unavailable`, `pool_unavailable` */
export function nodeFor(
  view: PoolView,
  { capability, hardware }: Pick<Routed, "capability" | "hardware">,
  tenant: string,
  trail: Trail,
  now: number,
): { readonly node: string; readonly url: string } {
  if (!capability) return anyNode(view, hardware);
  const choice = chooseNode(view, capability, { tenant, hardware }, nodeStates, Math.random, now);
  if (choice) {
    trail.choice = choice;
    return choice.node;
  }
  const isThere = hardware === null || capability.nodes.some((node) => node.hardware === hardware);
  throw isThere ? nobody() : noSuchHardware(hardware);
}

/** For what no node is known to have: any may know better, as just after a model was loaded. */
function anyNode({ live, nodes }: PoolView, hardware: string | null) {
  const isAsked = (node: KnownNode) => hardware === null || node.hardware === hardware;
  const from = hardware === null ? live : live.filter(isAsked);
  const known = from.length > 0 ? from : [...nodes.values()].filter((node) => !node.left && isAsked(node));
  const node = chooseOfTwo(known, () => 0, Math.random);
  if (node) return node;
  const isThere = hardware === null || [...nodes.values()].some(isAsked);
  throw isThere ? nobody() : noSuchHardware(hardware);
}

export function nobody(): WarmgateError {
  return new WarmgateError("pool_unavailable", "no node of the pool is there", { retryAfterSeconds: 1 });
}

function noSuchHardware(hardware: string): WarmgateError {
  return new WarmgateError("hardware_unavailable", `no node of class ${hardware} has this model`, {
    retryAfterSeconds: 5,
  });
}
