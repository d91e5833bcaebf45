/** What a prediction asks for, and what that stands for: decoded, routed, named for the cache. Shared by the prediction and its dry run. */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { TIMEOUT_MS } from "../../shared/protocol/headers.ts";
import { priorityClass } from "../../shared/protocol/priority.ts";
import { type CacheWish, readCacheWish } from "../cache/cache-control.ts";
import type { BypassReason } from "../cache/cache-status.ts";
import type { CacheScope } from "../cache/prediction-key.ts";
import type { EdgeSettings } from "../environment.ts";
import { type Cacheable, cacheable } from "../gate/cache.ts";
import { cappedBudgetMs, checkRows, inCallersClass, smallestLimit } from "../gate/caller-caps.ts";
import { decode } from "../gate/decode.ts";
import { nobody, type Sending } from "../gate/dispatch.ts";
import type { Principal } from "../gate/identify.ts";
import { poolView } from "../gate/pool-view.ts";
import { missing, type Routed, readRouteAsk, route } from "../gate/route.ts";
import { findRoute } from "../gate/route-directory.ts";
import { routeHeaders } from "../gate/route-headers.ts";
import { inferTarget, toPool } from "../gate/to-pool.ts";
import type { PoolView } from "../pool/pool-view.ts";
import { type Admitted, keepAliveOf } from "./admission.ts";
import { type EdgeContext, executionOf, pathParameter, recordOf } from "./route.ts";

/** A prediction that somebody may have and asks for, and what it stands for. */
export interface Asked {
  readonly context: EdgeContext;
  readonly settings: EdgeSettings;
  readonly principal: Principal;
  readonly wish: CacheWish;
  /** As the caller named it. */
  readonly name: string;
  readonly view: PoolView;
  readonly routed: Routed;
  readonly maxRows: number;
  /** Whose cached answers it may be answered with. */
  readonly scope: CacheScope;
  /** Milliseconds since 1970. */
  readonly deadline: number;
  /** What it is cached by, or why it is not. */
  readonly cached: Cacheable | BypassReason;
}

/**
 * Reads what is asked for, and finds out what it stands for.
 *
 * @throws WarmgateError every refusal of the body and the route
 */
export async function ask(
  context: EdgeContext,
  { settings, principal, startedAt }: Admitted,
  longestMs: number,
): Promise<Asked> {
  const record = recordOf(context);
  const { headers } = context.req.raw;
  const name = pathParameter(context, "model");
  const routeAsk = readRouteAsk(headers, context.req.param("version"));
  const keepAlive = keepAliveOf(context);
  const caps = { maxBodyBytes: largestBody(settings, principal), timeoutMs: longestMs };
  const reading = decode(context.req.raw, principal.tenant, caps, executionOf(context).sent);
  const { decoded, bytes } = await reading.catch(async (error) => {
    if (!(error instanceof WarmgateError) || error.status !== 400) throw error;
    const view = await poolView(settings, context.env, keepAlive, Date.now());
    const known = await findRoute(name, context.env, keepAlive, Date.now());
    throw (view && missing(name, routeAsk, known, view)) ?? error;
  });
  record.bytesIn = bytes;
  const parameters = decoded.kind === "tensors" ? decoded.request.parameters : {};
  const budgetMs = cappedBudgetMs(principal, headers.get(TIMEOUT_MS) ?? undefined, parameters);
  record.mark("decode");

  const now = Date.now();
  const view = await poolView(settings, context.env, keepAlive, now);
  if (!view) throw nobody();
  const knownRoute = await findRoute(name, context.env, keepAlive, now);
  const { decisions } = record;
  decisions.known = knownRoute;
  const mayAsk = inCallersClass(decoded, principal);
  const routed = await route(name, routeAsk, knownRoute, view, mayAsk, principal, headers);
  decisions.routed = routed;
  decisions.view = view;
  record.routeHeaders = routeHeaders(routed);
  const maxRows = smallestLimit(principal, "maxBatch") ?? 0;
  checkRows(routed, maxRows);
  const scope: CacheScope = routed.route?.cache.scope === "shared" ? "shared" : { tenant: principal.tenant };
  const cached = await cacheable(routed, scope, maxRows);
  if (typeof cached !== "string") decisions.cacheKey = cached.key;
  record.mark("route");
  const wish = readCacheWish(headers.get("cache-control"), headers.get("pragma"));
  const deadline = startedAt + budgetMs;
  return { context, settings, principal, wish, name, view, routed, maxRows, scope, deadline, cached };
}

function largestBody({ maxBodyBytes }: EdgeSettings, principal: Principal): number {
  return Math.min(maxBodyBytes, smallestLimit(principal, "maxBodyBytes") ?? maxBodyBytes);
}

/** As a node is asked for it. @param routed what is asked of it */
export function sendingOf(asked: Asked, routed: Routed): Sending {
  const { context, principal, maxRows, deadline } = asked;
  const { requestId, trace } = recordOf(context);
  return {
    ...{ method: "POST", target: inferTarget(routed), ...toPool(routed), tenant: principal.tenant, maxRows, deadline },
    ...{ requestId, traceparent: trace.traceparent, hold: executionOf(context).answered },
    priority: priorityClass(routed.decoded.kind === "tensors" ? routed.decoded.request.parameters : {}),
  };
}
