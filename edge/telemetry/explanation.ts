/**
 * Why a request was answered as it was: which version by which rule, which node, what the cache and the limits said, and what each try
 * came to. The same for a request that was answered, for one that was refused, and for a dry run.
 */
import type { LimitStanding } from "../../shared/control/lease-messages.ts";
import type { ErrorCode } from "../../shared/protocol/errors.ts";
import type { FallbackStep } from "../../shared/protocol/fallback.ts";
import type { Trail } from "../gate/dispatch.ts";
import { nodeStates } from "../gate/pool-view.ts";
import type { Routed } from "../gate/route.ts";
import type { KnownRoute } from "../gate/route-directory.ts";
import type { PoolView } from "../pool/pool-view.ts";

/** What was decided for a request so far. */
export interface Decisions {
  known?: KnownRoute;
  routed?: Routed;
  view?: PoolView;
  cacheKey?: string;
  readonly trail: Trail;
}

export interface Explained {
  readonly decisions: Decisions;
  readonly cacheStatus: string;
  readonly standings: readonly LimitStanding[];
  readonly code: string | undefined;
  readonly degraded?: string | undefined;
}

/** More of them tell nothing that the first ones don't, and a header has to hold them. */
const MOST_LISTED = 8;
/** Enough to compare two keys by; nobody can ask the cache with it. */
const KEY_PREFIX = 16;

export function explanation({ decisions, cacheStatus, standings, code, degraded }: Explained) {
  const { known, routed, view, cacheKey, trail } = decisions;
  const { choice } = trail;
  return {
    route: known?.route
      ? { name: known.route.name, revision: known.revision, contract: routed?.contract?.contract ?? null }
      : null,
    version: routed
      ? {
          ...{ model: routed.model, version: routed.version ?? null, rule: routed.choice?.rule ?? null },
          ...{ artefact: routed.capability?.model.digest.slice(0, KEY_PREFIX) ?? null },
          available: view?.versions(routed.model).slice(0, MOST_LISTED) ?? [],
        }
      : null,
    node: choice
      ? {
          ...{ chosen: choice.node.node, hardware: choice.node.hardware, provider: choice.node.provider },
          ...{ asked: routed?.hardware ?? null, capable: choice.capable, beyond_shard: choice.beyondShard },
          breaker: routed ? nodeStates.guards.breakerOf(choice.node.node, routed.model) : "closed",
          shard: choice.shard.slice(0, MOST_LISTED),
          ejected: [...choice.ejected].slice(0, MOST_LISTED),
          predicted_wait_ms: Object.fromEntries(
            choice.from.slice(0, MOST_LISTED).map((node) => [node.node, Math.round(choice.waitOf(node) * 1000) / 1000]),
          ),
        }
      : null,
    cache: { key: cacheKey?.slice(0, KEY_PREFIX) ?? null, status: cacheStatus === "" ? null : cacheStatus },
    limits: standings.map(({ kind, account, quota, remaining }) => ({ kind, account, quota, remaining })),
    attempts: trail.attempts,
    shed: shedDecision(trail, code),
    fallback: routed?.contract?.fallback.map(stepText) ?? [],
    degraded: degraded ?? null,
  };
}

function stepText(step: FallbackStep): string {
  return step.kind === "version" ? `version ${step.version}` : step.kind;
}

/** Who refused for load, if somebody did. */
function shedDecision({ shed, attempts }: Trail, code: string | undefined) {
  const last = attempts.at(-1);
  if (shed !== undefined) return { decision: "refused", by: "edge", reason: shed };
  if (last === undefined) return code !== undefined && isShed(code) ? { decision: "refused", by: "edge", code } : null;
  return isShed(last.outcome)
    ? { decision: "refused", by: "pool", code: last.outcome }
    : { decision: "admitted", by: "pool" };
}

const SHED: ReadonlySet<string> = new Set<ErrorCode>([
  ...(["rate_limited", "concurrency_limited", "quota_exceeded", "overloaded", "deadline_unreachable"] as const),
]);

function isShed(code: string): boolean {
  return SHED.has(code);
}

/** As a header can hold it: JSON in ASCII. */
export function explanationHeader(explained: Explained): string {
  return JSON.stringify(explanation(explained)).replace(
    /[\u007f-\uffff]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
