/** The first two steps of every call that needs a caller: who it is, and whether it may now. */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { type EdgeSettings, readSettings } from "../environment.ts";
import { ControlDirectory } from "../gate/control-directory.ts";
import { identify, type Principal, requireScope } from "../gate/identify.ts";
import { LimitError, limit, type Permit } from "../gate/limit.ts";
import { Shield } from "../gate/shield.ts";
import { type EdgeContext, recordOf } from "./route.ts";

const LIKE_A_KEY = /^wg_[a-z]{2,8}_[A-Za-z0-9]{10}_/;

export interface Admitted {
  readonly settings: EdgeSettings;
  readonly principal: Principal;
  /** When the request came in, milliseconds since 1970. */
  readonly startedAt: number;
}

/**
 * Finds out who calls, and notes it.
 *
 * @throws WarmgateError `unauthenticated`, `tenant_suspended`, `rate_limited` for an address that keeps failing
 */
export async function authenticate(context: EdgeContext): Promise<Admitted> {
  const startedAt = Date.now();
  const settings = await readSettings(context.env);
  const { headers } = context.req.raw;
  const keepAlive = keepAliveOf(context);
  const shield = new Shield(context.env.FAILED_CALLS, headers, settings.clientAddressHeader);
  const directory = new ControlDirectory(context.env, keepAlive);
  let principal: Principal;
  try {
    principal = await identify(headers, settings, directory, shield, startedAt);
  } catch (error) {
    if (error instanceof WarmgateError && error.code === "unauthenticated") await shield.failed(startedAt);
    throw error;
  }
  const record = recordOf(context);
  record.tenant = principal.tenant;
  record.kid = principal.kid;
  record.configVersion = principal.configuration.version;
  return { settings, principal, startedAt };
}

/**
 * Lets in who may use a model.
 *
 * @throws WarmgateError as `authenticate`, and `forbidden`
 */
export async function admit(context: EdgeContext, model: string): Promise<Admitted> {
  const admitted = await authenticate(context);
  // Somebody will take a key for a model's name one day, and it must not be in the log then.
  if (!LIKE_A_KEY.test(model)) recordOf(context).model = model;
  requireScope(admitted.principal, `predict:${model}`);
  return admitted;
}

/**
 * Runs what a caller may do only within its limits; the reply tells where they stand.
 *
 * @param units what the call costs
 * @param budgetMs how long it may be in flight
 * @param run tells whether the call was worth its units, which otherwise go back to the quotas
 * @throws LimitError, and whatever `run` throws
 */
export async function withinLimits<Result>(
  context: EdgeContext,
  principal: Principal,
  { units, budgetMs }: { readonly units: number; readonly budgetMs: number },
  run: (permit: Permit) => Promise<Result>,
): Promise<Result> {
  const record = recordOf(context);
  const limiter = () => context.env.TENANT_LIMITER.getByName(principal.tenant);
  let permit: Permit;
  try {
    permit = await limit(principal, limiter, units, budgetMs, keepAliveOf(context));
  } catch (error) {
    if (error instanceof LimitError) record.standings = error.standings;
    throw error;
  }
  record.standings = permit.standings();
  record.mark("limit");
  try {
    return await run(permit);
  } finally {
    // Without effect when it was ended before, as used.
    permit.end(false);
  }
}

/** Lets work go on behind the reply. */
export function keepAliveOf({ executionCtx }: EdgeContext): (pending: Promise<unknown>) => void {
  return (pending) => executionCtx.waitUntil(pending);
}
