/**
 * The fallback chain of a route: what a caller gets when the version that was chosen for it has failed. The steps are tried in their
 * order, each at most once; the first that has an answer gives it, or the word that there will be one (`job-offer.ts`), and when none has,
 * the caller is refused as it would have been.
 *
 * Promises: every degraded answer says so (`x-warmgate-degraded`), has no entity tag and is never kept as an answer of the version that
 * failed; none is later than the deadline; who pins a version gets that version or a refusal.
 */
import { RuleFailure } from "../../shared/control/fallback/expression-value.ts";
import { answerByRule } from "../../shared/control/fallback/rule.ts";
import { fallsBack } from "../../shared/control/fallback/when.ts";
import { hopBudgetMs } from "../../shared/control/resilience/hop-budget.ts";
import { asWarmgateError, type WarmgateError } from "../../shared/protocol/errors.ts";
import type { RuleStep } from "../../shared/protocol/fallback.ts";
import { type RouteContract, routedVersions } from "../../shared/protocol/model-route.ts";
import type { InferenceRequest, InferenceResponse } from "../../shared/protocol/tensor.ts";
import { cacheStatus } from "../cache/cache-status.ts";
import { cacheable, predictions, USUAL_TTL_SECONDS } from "../gate/cache.ts";
import { dispatch, type Trail } from "../gate/dispatch.ts";
import type { Permit } from "../gate/limit.ts";
import type { Use } from "../gate/meter.ts";
import { readAnswer } from "../gate/read-answer.ts";
import { reply } from "../gate/reply.ts";
import type { Routed } from "../gate/route.ts";
import { logCause } from "../telemetry/request-log.ts";
import { keepAliveOf } from "./admission.ts";
import { type Asked, sendingOf } from "./asked.ts";
import { offerJob } from "./job-offer.ts";
import { jobReply } from "./job-reply.ts";
import { inCallersForm, used } from "./prediction-reply.ts";
import { recordOf } from "./route.ts";

interface Degraded {
  /** As the header says it. */
  readonly how: string;
  readonly response: Omit<InferenceResponse, "modelName">;
  readonly use: Omit<Use, "tenant" | "model">;
}

/** @returns undefined where there is no answer: then what failed is the answer */
export async function degraded(asked: Asked, permit: Permit, failure: unknown): Promise<Response | undefined> {
  const { context, routed, name } = asked;
  const { contract, decoded } = routed;
  if (!contract || decoded.kind !== "tensors" || contract.fallback.length === 0) return undefined;
  const error = asWarmgateError(failure);
  const { code } = error;
  const reach = fallsBack(code);
  if (reach === "none") return undefined;
  for (const step of contract.fallback) {
    if (step.kind === "job") {
      const job = await offerJob(asked, error);
      if (!job) continue;
      note(asked, "job", error);
      permit.end(true);
      recordOf(context).standings = permit.standings();
      return jobReply(job, recordOf(context), { status: 202 });
    }
    let found: Degraded | undefined;
    if (step.kind === "cached") found = await fromCache(asked, routedVersions({ ...contract, shadow: null }));
    else if (step.kind === "rule") found = byRule(step, contract, decoded.request);
    else
      found =
        (await fromCache(asked, [step.version])) ??
        (reach === "all" ? await fromVersion(asked, step.version) : undefined);
    if (!found) continue;
    note(asked, found.how, error);
    const record = recordOf(context);
    record.version = found.response.modelVersion;
    used(asked, permit, found.use);
    const encoded = inCallersForm({ ...found.response, modelName: name }, decoded.request);
    return reply(encoded, record, context.req.raw.headers.get("accept-encoding"));
  }
  return undefined;
}

function note({ context }: Asked, how: string, { code, cause }: WarmgateError): void {
  const record = recordOf(context);
  if (cause !== undefined) logCause(cause, record.requestId);
  record.degraded = how;
  record.degradedBy = code;
  record.answered = "degraded";
  if (record.cacheStatus === "") record.cacheStatus = cacheStatus({ kind: "miss", stored: false, refused: false });
  record.mark("degrade");
}

/** What one of the versions has answered to the same inputs, if the caller takes answers from the cache. */
async function fromCache(asked: Asked, versions: readonly string[]): Promise<Degraded | undefined> {
  const { routed, wish, settings, maxRows, scope } = asked;
  if (wish.noCache || wish.noStore) return undefined;
  for (const version of versions) {
    if (version === routed.version) continue;
    const cached = await cacheable(routedTo(asked, version), scope, maxRows);
    if (typeof cached === "string") continue;
    const found = await predictions.find(cached.key, wish, settings.environment, Date.now());
    if (!found) continue;
    const response = ordered(found.stored, cached.outputs);
    return { how: `cached;version=${version}`, response, use: { rows: cached.rows, deviceMs: 0, cacheHits: 1 } };
  }
  return undefined;
}

/** Another version's own answer, which is kept as that version's. */
async function fromVersion(asked: Asked, version: string): Promise<Degraded | undefined> {
  const { context, settings, view, wish, scope, maxRows, deadline } = asked;
  const routed = routedTo(asked, version);
  // What has just failed is not asked again.
  if (version === asked.routed.version) return undefined;
  if (!routed.capability || hopBudgetMs(deadline - Date.now()) === undefined) return undefined;
  const { trail } = recordOf(context).decisions;
  const own: Trail = { attempts: [] };
  try {
    const answer = await dispatch(view, routed, sendingOf(asked, routed), settings, own);
    const response = readAnswer(answer, routed);
    const cached = await cacheable(routed, scope, maxRows);
    if (typeof cached !== "string" && !wish.noStore && answer.artefact === cached.artefact) {
      const ttlSeconds = routed.route?.cache.ttlSeconds ?? USUAL_TTL_SECONDS;
      const how = { environment: settings.environment, ttlSeconds };
      await predictions.keep(cached.key, response, how, Date.now(), keepAliveOf(context));
    }
    return { how: `version;version=${version}`, response, use: { ...answer.usage, cacheHits: 0 } };
  } catch (error) {
    // What had failed first is what the caller is told, where no other step has an answer.
    const { cause } = asWarmgateError(error);
    if (cause !== undefined) logCause(cause, recordOf(context).requestId);
    return undefined;
  } finally {
    trail.attempts.push(...own.attempts);
  }
}

function byRule(step: RuleStep, { signature }: RouteContract, request: InferenceRequest): Degraded | undefined {
  try {
    const outputs = answerByRule(step, signature, request);
    const rows = request.inputs[0]?.shape[0] ?? 1;
    return { how: "rule", response: { modelVersion: "rule", outputs }, use: { rows, deviceMs: 0, cacheHits: 0 } };
  } catch (error) {
    if (error instanceof RuleFailure) return undefined;
    throw error;
  }
}

function routedTo({ routed, view }: Asked, version: string): Routed {
  return { ...routed, version, capability: view.capability(routed.model, version) };
}

function ordered({ modelVersion, outputs }: InferenceResponse, names: readonly string[]): Degraded["response"] {
  return { modelVersion, outputs: names.flatMap((name) => outputs.find((output) => output.name === name) ?? []) };
}
