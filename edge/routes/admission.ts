import { type EdgeSettings, readSettings } from "../environment.ts";
import { identify, type Principal, requireScope } from "../gate/identify.ts";
import { CONTROL_PLANE_NAME } from "../objects/control-plane.ts";
import type { EdgeContext } from "./route.ts";

export interface Admitted {
  readonly settings: EdgeSettings;
  readonly principal: Principal;
  /** When the request came in, milliseconds since 1970. */
  readonly startedAt: number;
}

/**
 * Lets in who may use a model, and notes who it is.
 *
 * @throws WarmgateError `unauthenticated`, `forbidden`
 */
export async function admit(context: EdgeContext, model: string): Promise<Admitted> {
  const startedAt = Date.now();
  const settings = await readSettings(context.env);
  const directory = { findKey: (kid: string) => context.env.CONTROL_PLANE.getByName(CONTROL_PLANE_NAME).findKey(kid) };
  const principal = await identify(context.req.raw.headers, settings, directory, startedAt);
  const record = context.get("record");
  record.tenant = principal.tenant;
  record.kid = principal.kid;
  record.model = model;
  requireScope(principal, `predict:${model}`);
  return { settings, principal, startedAt };
}
