/**
 * The step that sends a request to a node: chosen now, for what is known of nodes changes with every reply; and what came of it is noted,
 * for the next choice.
 *
 * Promises: what cannot be in time, or is not wanted by the node, is refused here and costs no hop; a node that fails is left alone for a
 * while; a request is sent at most twice, the second time to another node, only where the first cannot have been answered or its node has
 * not been heard of for long, and all that is sent a second time is a tenth of what is asked.
 */

import type { CallOutcome } from "../../shared/control/resilience/circuit-breaker.ts";
import { hopBudgetMs } from "../../shared/control/resilience/hop-budget.ts";
import { shedDecision } from "../../shared/control/resilience/shed-decision.ts";
import { chooseOfTwo, predictedWaitMs } from "../../shared/control/routing/node-choice.ts";
import { type ErrorCode, WarmgateError } from "../../shared/protocol/errors.ts";
import type { KnownNode } from "../../shared/protocol/pool-node.ts";
import type { PriorityClass } from "../../shared/protocol/priority.ts";
import type { EdgeSettings } from "../environment.ts";
import { chooseNode, type NodeChoice } from "../pool/choose-node.ts";
import type { Capability, PoolView } from "../pool/pool-view.ts";
import { firstOfTwo, type Try } from "./first-of-two.ts";
import { forward, type LoadWord, type PoolAnswer, type PoolCall, SilentNodeError } from "./forward.ts";
import { nodeStates } from "./pool-view.ts";
import type { Routed } from "./route.ts";

/** With less time than this a node that is silent may be one that is held up for a moment. */
const TELLING_MS = 200;
/** With less time than this, beside what a run is expected to take, a retry would be in vain. */
const RETRY_MARGIN_MS = 10;
/** For how long a node may not be heard of, in multiples of what it takes to answer and at least, before another one is asked as well. */
const SILENT = { factor: 3, leastMs: 1_000 };

/** One try, as the explanation shows it. */
export interface Attempt {
  readonly node: string;
  /** `answered`, or the code of the refusal. */
  outcome: string;
  ms: number;
}

export interface Trail {
  choice?: NodeChoice;
  /** Who refused for load in the node's stead, and why; undefined when nobody did. */
  shed?: "wait" | "level" | "throttle" | "breaker";
  readonly attempts: Attempt[];
}

/** What of a routed request says who may be asked. */
type Asking = Pick<Routed, "capability" | "hardware"> & Partial<Pick<Routed, "route" | "choice">>;

/** A prediction that is to be sent. */
export interface Sending extends Omit<PoolCall, "budgetMs" | "patienceMs" | "attempt" | "onLoad" | "givenUp"> {
  readonly priority: PriorityClass;
  /** Milliseconds since 1970. */
  readonly deadline: number;
}

/**
 * Has a prediction made.
 *
 * @throws WarmgateError `overloaded` and `deadline_unreachable` where sending would be in vain, `model_not_ready`, `hardware_unavailable`,
 * `pool_unavailable` where nobody is there to be asked, and as `forward`
 */
export async function dispatch(
  view: PoolView,
  routed: Asking,
  sending: Sending,
  settings: EdgeSettings,
  trail: Trail,
): Promise<PoolAnswer> {
  const first = nodeFor(view, routed, sending.tenant, trail, Date.now());
  const { capability, hardware } = routed;
  const trying = (node: KnownNode, attempt: number): Try<PoolAnswer> => {
    const abandon = new AbortController();
    const answer = send(node, capability, attempt, { ...sending, givenUp: abandon.signal }, settings, trail);
    return { answer, giveUp: () => abandon.abort() };
  };
  const second = (): KnownNode | undefined => {
    const now = Date.now();
    const needMs = RETRY_MARGIN_MS + nodeStates.load(first).runMs;
    if (!capability || sending.deadline - now < needMs) return undefined;
    const node = otherNode(view, capability, hardware, sending.tenant, first.node, trail, now);
    return node && nodeStates.guards.retries() ? node : undefined;
  };
  const silentMs = capability && silenceOf(first, capability.model.name);
  try {
    if (silentMs === undefined) return await trying(first, 1).answer;
    return await firstOfTwo(trying(first, 1), silentMs, () => {
      const node = nodeStates.heardSince(first.node, Date.now() - silentMs) ? undefined : second();
      return node && trying(node, 2);
    });
  } catch (error) {
    const node = isCurable(error, trail) ? second() : undefined;
    if (!node) throw error;
    try {
      return await trying(node, 2).answer;
    } catch (again) {
      // That a retry was not welcome is not what went wrong.
      throw REFUSED_FOR_LOAD.has(codeOf(again)) ? error : again;
    }
  }
}

/** @returns undefined for one that has not been asked for the model before: what it takes is not known */
function silenceOf(node: KnownNode, model: string): number | undefined {
  if (!nodeStates.guards.spokeSince(node.node, model, 0)) return undefined;
  const load = nodeStates.load(node);
  return Math.max(SILENT.leastMs, SILENT.factor * (predictedWaitMs(load) + load.runMs));
}

/** Asks any node that has it something that is no prediction: never shed, never sent twice. @throws WarmgateError as `dispatch` */
export async function consult(
  view: PoolView,
  routed: Asking,
  call: PoolCall,
  settings: EdgeSettings,
  trail: Trail,
): Promise<PoolAnswer> {
  const now = Date.now();
  const { node, url } = nodeFor(view, routed, call.tenant, trail, now);
  const attempt: Attempt = { node, outcome: "answered", ms: 0 };
  trail.attempts.push(attempt);
  try {
    return await forward(call, url, settings, now);
  } catch (error) {
    attempt.outcome = codeOf(error);
    throw error;
  } finally {
    attempt.ms = Date.now() - now;
  }
}

async function send(
  { node, url }: KnownNode,
  capability: Capability | undefined,
  attemptNumber: number,
  sending: Sending & { readonly givenUp: AbortSignal },
  settings: EdgeSettings,
  trail: Trail,
): Promise<PoolAnswer> {
  const { tenant, priority, deadline, givenUp } = sending;
  const startedAt = Date.now();
  const model = capability?.model.name;
  const budgetMs = hopBudgetMs(deadline - startedAt);
  if (budgetMs === undefined) throw tooLate();
  // Of what no node is known to have nothing is known.
  if (model !== undefined) admitToNode(node, model, sending, budgetMs, startedAt, trail);
  // What is not sent pays for no retry: a tenth is meant of what comes to the nodes.
  if (attemptNumber === 1) nodeStates.guards.attempted();
  const attempt: Attempt = { node, outcome: "answered", ms: 0 };
  trail.attempts.push(attempt);
  nodeStates.begun(node);
  let deviceMs: number | undefined;
  let outcome: CallOutcome = "ok";
  try {
    const onLoad = (load: LoadWord) => hear(node, model, tenant, load);
    const patienceMs = deadline - startedAt;
    const call = { ...sending, budgetMs, patienceMs, attempt: attemptNumber, onLoad };
    const answer = await forward(call, url, settings, startedAt);
    deviceMs = answer.usage.deviceMs;
    return answer;
  } catch (error) {
    attempt.outcome = codeOf(error);
    // Held up for a moment, busy with what it was sent before, or outrun by who was asked first: dead it is not.
    const isAlive =
      deadline - startedAt < TELLING_MS ||
      (givenUp.aborted && attemptNumber > 1) ||
      (model !== undefined && nodeStates.guards.spokeSince(node, model, startedAt));
    outcome = outcomeOf(error, isAlive);
    throw error;
  } finally {
    const now = Date.now();
    attempt.ms = now - startedAt;
    nodeStates.ended(node, outcome === "failed" ? "failed" : "answered", deviceMs, now);
    if (model !== undefined) {
      nodeStates.guards.ended(node, model, outcome, startedAt, now);
      nodeStates.guards.answered({ node, model, tenant, priority }, REFUSED_FOR_LOAD.has(attempt.outcome), now);
    }
  }
}

/** @throws WarmgateError in the node's stead, where it is known to refuse, to be late or to fail */
function admitToNode(
  node: string,
  model: string,
  { tenant, priority }: Sending,
  budgetMs: number,
  now: number,
  trail: Trail,
): void {
  const { guards } = nodeStates;
  const ask = { node, model, tenant, priority };
  const probability = guards.rejects(ask, now);
  const refuse = (by: NonNullable<Trail["shed"]>, error: WarmgateError) => {
    guards.answered(ask, true, now);
    trail.shed = by;
    return error;
  };
  const word = guards.word(node, tenant, now);
  if (word) {
    const { ownWaitMs: waitMs, admissionLevel, at } = word;
    // What a run takes depends on its shape and its batch, which the node knows: others' runs say nothing of this one.
    const request = { priorityClass: priority, tenant, remainingMs: budgetMs, runMs: 0 };
    const decision = shedDecision({ waitMs, admissionLevel, ageMs: now - at }, request, now, Math.random());
    if (decision.kind === "refuse") {
      const again = { retryAfterSeconds: Math.max(1, Math.ceil(decision.retryAfterMs / 1_000)) };
      throw refuse(
        decision.reason,
        decision.reason === "wait"
          ? new WarmgateError("deadline_unreachable", "the answer could not be ready within the time allowed", again)
          : new WarmgateError(
              "overloaded",
              "there is more work than can be done, and this is not the most urgent",
              again,
            ),
      );
    }
  }
  if (Math.random() < probability) {
    throw refuse(
      "throttle",
      new WarmgateError("overloaded", "the pool refuses most of what it is asked at the moment", {
        retryAfterSeconds: 1,
      }),
    );
  }
  if (!guards.begin(node, model, now)) throw refuse("breaker", failing(guards.closedForMs(node, model, now)));
}

function hear(
  node: string,
  model: string | undefined,
  tenant: string,
  { waitMs, ownWaitMs, admissionLevel }: LoadWord,
): void {
  const at = Date.now();
  nodeStates.told(node, waitMs, at);
  nodeStates.guards.heard(node, model, tenant, { ownWaitMs, admissionLevel, at });
}

/** Load that is shed, and what a request brought upon itself, are no ill health; nor is a node's own word that it will be late. */
function outcomeOf(error: unknown, isAlive: boolean): CallOutcome {
  if (error instanceof SilentNodeError) return isAlive ? "ignored" : "failed";
  const code = codeOf(error);
  return code === "pool_unavailable" || code === "bad_pool_response" || code === "internal" ? "failed" : "ignored";
}

const REFUSED_FOR_LOAD: ReadonlySet<string> = new Set(["overloaded", "deadline_unreachable"]);

/** Whether another node may well do better: the one that was asked is not there, about to leave, or has no memory for it. */
const CURABLE: ReadonlySet<string> = new Set<ErrorCode>([
  "pool_unavailable",
  "draining",
  "model_not_ready",
  "device_out_of_memory",
]);

function isCurable(error: unknown, { shed, attempts }: Trail): boolean {
  return shed === undefined && attempts.length === 1 && CURABLE.has(codeOf(error));
}

function codeOf(error: unknown): string {
  return error instanceof WarmgateError ? error.code : "internal";
}

/** The node that is chosen now. @throws WarmgateError `model_not_ready`, `hardware_unavailable`, `pool_unavailable` */
export function nodeFor(
  view: PoolView,
  { capability, hardware, route, choice: version }: Asking,
  tenant: string,
  trail: Trail,
  now: number,
): KnownNode {
  if (!capability && route && !version) throw nowhere(route.name);
  if (!capability) return anyNode(view, hardware);
  const choice = chooseNode(view, capability, { tenant, hardware }, nodeStates, Math.random, now);
  if (choice && "node" in choice) {
    trail.choice = choice;
    return choice.node;
  }
  if (choice) {
    trail.shed = "breaker";
    throw failing(choice.allOpenForMs);
  }
  const isThere = hardware === null || capability.nodes.some((node) => node.hardware === hardware);
  throw isThere ? nobody() : noSuchHardware(hardware);
}

function otherNode(
  view: PoolView,
  capability: Capability,
  hardware: string | null,
  tenant: string,
  except: string,
  trail: Trail,
  now: number,
): KnownNode | undefined {
  const choice = chooseNode(view, capability, { tenant, hardware, except }, nodeStates, Math.random, now);
  if (!choice || !("node" in choice) || !choice.node.live) return undefined;
  trail.choice = choice;
  return choice.node;
}

/** For what no node is known to have: any may know better, as just after a model was loaded. */
function anyNode({ live, nodes }: PoolView, hardware: string | null): KnownNode {
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

function failing(forMs: number): WarmgateError {
  const retryAfterSeconds = Math.max(1, Math.ceil(forMs / 1_000));
  return new WarmgateError("pool_unavailable", "every node that has this model has failed of late", {
    retryAfterSeconds,
  });
}

function tooLate(): WarmgateError {
  return new WarmgateError("deadline_exceeded", "the time budget ran out before the pool could be asked");
}

function nowhere(name: string): WarmgateError {
  return new WarmgateError("model_not_ready", `no node has a version of model '${name}'`, { retryAfterSeconds: 1 });
}

function noSuchHardware(hardware: string): WarmgateError {
  const message = `no node of class ${hardware} has this model`;
  return new WarmgateError("hardware_unavailable", message, { retryAfterSeconds: 5 });
}
