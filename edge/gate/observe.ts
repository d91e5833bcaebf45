/**
 * What rollouts and shadows go by, seen after the reply: how the version that answered did, and for a share of the requests how another
 * version would have answered. None of it can change a reply, and nobody waits for it.
 *
 * Bounded: `MOST_SHADOWS` of an isolate at once, more are left out; what is gathered is told to the route's controller once a second, and
 * once only, for evidence that is lost keeps a rollout from advancing, but evidence that counts twice would lie.
 */
import { compareOutputs } from "../../shared/control/comparison/output-comparison.ts";
import { DEFAULT_TOLERANCE } from "../../shared/control/comparison/tolerance.ts";
import { observe as observeValue } from "../../shared/control/distribution.ts";
import type { VersionEvidence } from "../../shared/control/rollout/rollout-evidence.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { firstNonFinite } from "../../shared/protocol/non-finite.ts";
import { decodeInferenceResponse } from "../../shared/protocol/response.ts";
import type { InferenceResponse } from "../../shared/protocol/tensor.ts";
import type { Bindings, EdgeSettings } from "../environment.ts";
import type { PoolView } from "../pool/pool-view.ts";
import { dispatch } from "./dispatch.ts";
import { EvidenceGatherer } from "./evidence-gatherer.ts";
import type { Routed } from "./route.ts";
import { inferTarget, toPool } from "./to-pool.ts";

const MOST_SHADOWS = 16;
const SHADOW_BUDGET_MS = 5_000;
/** `batch`: the pool runs it when nobody else wants the device. */
const LOWEST_PRIORITY = 4;

export interface Observed {
  readonly bindings: Bindings;
  readonly settings: EdgeSettings;
  readonly view: PoolView;
  readonly routed: Routed;
  readonly tenant: string;
  readonly keepAlive: (pending: Promise<unknown>) => void;
}

/** What became of a request that the pool was asked for; `ms` as the edge saw it. */
export type Seen = { readonly ms: number } & ({ readonly response: InferenceResponse } | { readonly error: unknown });

const gatherer = new EvidenceGatherer();
let shadows = 0;

export function observe(observed: Observed, seen: Seen): void {
  const { route, contract, version } = observed.routed;
  // Who pins a version is not in the split: what it sees would tell of its own choice.
  if (!route || !contract || version === undefined) return;
  const rollout = route.rollout?.contract === contract.contract ? route.rollout : undefined;
  const role =
    rollout && (version === rollout.stable ? "stable" : version === rollout.candidate ? "candidate" : undefined);
  if (rollout && role) {
    gatherer.evidence(route.name, rollout.id, observed, (evidence) => addSeen(evidence[role], seen, true));
  }
  if (!("response" in seen)) return;
  const shadow =
    rollout && role === "stable" ? { version: rollout.candidate, share: rollout.shadowShare } : contract.shadow;
  if (!shadow || shadow.version === version || shadows >= MOST_SHADOWS || Math.random() >= shadow.share) return;
  shadows++;
  const done = () => {
    shadows--;
  };
  observed.keepAlive(runShadow(observed, shadow.version, seen.response, seen.ms, rollout?.id).finally(done));
}

async function runShadow(
  observed: Observed,
  version: string,
  stable: InferenceResponse,
  stableMs: number,
  rollout: string | undefined,
): Promise<void> {
  const { settings, view, routed, tenant } = observed;
  const { decoded, route, model } = routed;
  if (decoded.kind === "raw" || !route) return;
  const parameters = { ...decoded.request.parameters, priority: LOWEST_PRIORITY };
  const shadowed = {
    ...{ ...routed, version, capability: view.capability(model, version) },
    decoded: { kind: "tensors" as const, request: { ...decoded.request, parameters } },
  };
  const startedAt = Date.now();
  let seen: Seen;
  try {
    const answer = await dispatch(
      view,
      shadowed,
      {
        ...{ method: "POST", target: inferTarget(shadowed), ...toPool(shadowed), tenant, maxRows: 0 },
        ...{
          deadline: startedAt + SHADOW_BUDGET_MS,
          requestId: crypto.randomUUID(),
          traceparent: "",
          priority: "batch",
        },
      },
      settings,
      { attempts: [] },
    );
    const response = decodeInferenceResponse(answer.body, answer.headerLength);
    seen = { response, ms: Date.now() - startedAt };
  } catch (error) {
    seen = { error, ms: Date.now() - startedAt };
  }
  const comparison =
    "response" in seen ? compareOutputs(stable.outputs, seen.response.outputs, DEFAULT_TOLERANCE) : undefined;
  if (comparison)
    gatherer.comparison(route.name, `${stable.modelVersion}-${version}`, observed, comparison, stableMs, seen.ms);
  if (rollout === undefined) return;
  gatherer.evidence(route.name, rollout, observed, ({ candidate, shadow }) => {
    // It waits for everybody else, so how long it took tells nothing.
    addSeen(candidate, seen, false);
    if (!comparison) return;
    shadow.compared++;
    if (comparison.agrees) shadow.agreeing++;
  });
}

function addSeen(evidence: VersionEvidence, seen: Seen, withLatency: boolean): void {
  if ("response" in seen) {
    evidence.requests++;
    if (seen.response.outputs.some((output) => firstNonFinite(output) !== undefined)) evidence.nonFinite++;
    if (withLatency) observeValue(evidence.latencyMs, seen.ms);
    return;
  }
  const code = seen.error instanceof WarmgateError ? seen.error.code : "internal";
  if (!TO_BLAME.has(code)) return;
  evidence.requests++;
  evidence.errors++;
  if (code === "non_finite_output") evidence.nonFinite++;
}

/** Failures that a version brings about; refusals for load, and of requests that are wrong, are not among them. */
const TO_BLAME: ReadonlySet<string> = new Set([
  "model_failed",
  "non_finite_output",
  "bad_pool_response",
  "internal",
  "deadline_exceeded",
]);
