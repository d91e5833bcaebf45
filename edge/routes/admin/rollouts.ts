/** Rollouts: a candidate version gets a route's traffic step by step, and loses it when it is worse. And what shadows have shown. */
import { z } from "@hono/zod-openapi";
import { comparisonStatisticsSchema } from "../../../shared/control/comparison/comparison-statistics.ts";
import { rolloutPlanSchema } from "../../../shared/control/rollout/rollout-plan.ts";
import { WarmgateError } from "../../../shared/protocol/errors.ts";
import { isModelVersion } from "../../../shared/protocol/model-name.ts";
import type { ModelRoute } from "../../../shared/protocol/model-route.ts";
import { contractOf, noteRoute } from "../../gate/route-directory.ts";
import type { RolloutAsk } from "../../objects/rollout-controller.ts";
import type { PoolView } from "../../pool/pool-view.ts";
import { keepAliveOf } from "../admission.ts";
import { type EdgeApp, type EdgeContext, pathParameter } from "../route.ts";
import { json } from "../schemas.ts";
import { ADMIN, addAdminRoute, checked, controlPlaneOf, outcomeReply, settled, valueReply } from "./admin-route.ts";
import { routePath, viewOf } from "./model-routes.ts";
import { breaches, versionProblem } from "./route-check.ts";

const decision = z.object({
  ...{ at: z.int(), rollout: z.string(), kind: z.enum(["start", "hold", "advance", "promote", "abort"]) },
  reason: z.string().openapi({ description: "Why it holds, which guard aborted it, or who did it." }),
  ...{ percentage: z.number(), figures: z.record(z.string(), z.number()) },
});
const rollout = z
  .object({
    ...{ id: z.uuid(), route: z.string(), contract: z.int(), stable: z.string(), candidate: z.string() },
    ...{ plan: rolloutPlanSchema, startedAt: z.int(), state: z.enum(["running", "promoted", "aborted"]) },
    percentage: z.number().openapi({ description: "Of the route's traffic, what the candidate gets." }),
    figures: z.record(z.string(), z.number()),
    decisions: z.array(decision).openapi({ description: "The newest first." }),
  })
  .openapi("Rollout");
const newRollout = z.strictObject({
  candidate: z.string().refine(isModelVersion, "a model version is a whole number from 1"),
  contract: z.int().min(1).max(999).optional().openapi({ description: "The oldest if left out." }),
  plan: rolloutPlanSchema.prefault({}),
});
const statusQuery = z.object({ decisions: z.coerce.number().int().min(0).max(2_000).default(20) });
const shadows = z
  .object({ comparisons: z.record(z.string(), comparisonStatisticsSchema) })
  .openapi("Shadows", { description: "By `<version>-<version compared with it>`." });

export function addRolloutRoutes(app: EdgeApp): void {
  const one = `${ADMIN}/routes/{route}/rollout`;
  addAdminRoute(
    app,
    {
      ...{ method: "post", path: one, by: "operator", parameters: routePath, body: newRollout },
      summary:
        "Start a rollout: a candidate version gets the route's traffic by a plan, and loses it when a guard says so",
      responses: { 201: json(rollout, "The rollout.") },
      also: ["conflict", "invalid_configuration", "malformed_json", "body_too_large", "pool_unavailable"],
    },
    async ({ context, settings, actor, body }) => {
      const name = pathParameter(context, "route");
      const { route } = settled(context, await controlPlaneOf(context).getRoute(name));
      const asked = rolloutOf(route, body, await viewOf(context, settings));
      const outcome = await controllerOf(context, name).start(actor, name, asked);
      await readAgain(context, name);
      return outcomeReply(context, outcome, 201);
    },
  );
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: one, by: "operator", parameters: routePath, query: statusQuery },
      summary: "A route's rollout, the last one if none is running, with its decisions and their figures",
      responses: { 200: json(rollout, "The rollout.") },
    },
    async ({ context }) => {
      const name = pathParameter(context, "route");
      settled(context, await controlPlaneOf(context).getRoute(name));
      const { decisions } = checked(statusQuery, context.req.query());
      const found = await controllerOf(context, name).status(decisions);
      if (!found) throw new WarmgateError("not_found", "this route has had no rollout");
      return valueReply(context, found);
    },
  );
  for (const [verb, summary] of [
    ["abort", "Take all traffic back to the stable version, now"],
    ["promote", "Give all traffic to the candidate, whatever the guards say"],
  ] as const) {
    addAdminRoute(
      app,
      {
        ...{ method: "post", path: `${one}/${verb}`, by: "operator", parameters: routePath, summary },
        responses: { 200: json(rollout, "The rollout as it is now.") },
        also: ["conflict"],
      },
      async ({ context, actor }) => {
        const name = pathParameter(context, "route");
        settled(context, await controlPlaneOf(context).getRoute(name));
        const outcome = await controllerOf(context, name)[verb](actor);
        await readAgain(context, name);
        return outcomeReply(context, outcome);
      },
    );
  }
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: `${ADMIN}/routes/{route}/shadow`, by: "operator", parameters: routePath },
      summary: "How far the answers of shadow versions differ, by output, as distributions",
      responses: { 200: json(shadows, "What was compared so far.") },
    },
    async ({ context }) => {
      const name = pathParameter(context, "route");
      settled(context, await controlPlaneOf(context).getRoute(name));
      return valueReply(context, { comparisons: await controllerOf(context, name).comparisons() });
    },
  );
}

function controllerOf({ env }: EdgeContext, route: string) {
  return env.ROLLOUT_CONTROLLER.getByName(route);
}

/** So that who has just moved a route sees it moved; everybody else does within ten seconds. */
async function readAgain(context: EdgeContext, name: string): Promise<void> {
  const found = await controlPlaneOf(context).resolveRoute(name);
  noteRoute(name, found, context.env, keepAliveOf(context), Date.now());
}

/** @throws WarmgateError `conflict` while one is running, `not_found`, `invalid_configuration` naming all that is in the way */
function rolloutOf(
  route: ModelRoute,
  { candidate, contract: number, plan }: z.infer<typeof newRollout>,
  view: PoolView,
): RolloutAsk {
  // It has two versions in the split, which nobody could put right.
  if (route.rollout) throw new WarmgateError("conflict", "a rollout of this route is running");
  const contract = contractOf(route, number);
  if (!contract) throw new WarmgateError("not_found", `there is no contract ${number}`);
  const { split, experiment, signature } = contract;
  const weighty = split.versions.filter(({ weight }) => weight > 0);
  const [stable] = weighty;
  const missing = versionProblem(route.model, candidate, view);
  const problems = missing ? [missing] : breaches(signature, route.model, candidate, view);
  if (experiment) problems.push("an experiment decides who gets which version: end it first");
  if (!stable || weighty.length > 1)
    problems.push("the split has several versions: give one of them all the weight first");
  if (stable?.version === candidate) problems.push(`version ${candidate} has all the traffic already`);
  if (!stable || problems.length > 0) throw new WarmgateError("invalid_configuration", problems.join("; "));
  return { contract: contract.contract, stable: stable.version, candidate, plan };
}
