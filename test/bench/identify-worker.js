/**
 * What the edge's first two steps cost. `/identified` does them as the edge does (`edge/routes/admission.ts`), with the real objects
 * behind them, then answers; `/nothing` answers the same at once. Plain JavaScript, as the other Workers that only measure.
 */
import { readSettings } from "../../edge/environment.ts";
import { ControlDirectory } from "../../edge/gate/control-directory.ts";
import { identify, requireScope } from "../../edge/gate/identify.ts";
import { limit } from "../../edge/gate/limit.ts";
import { limitHeaders } from "../../edge/gate/limit-headers.ts";
import { Shield } from "../../edge/gate/shield.ts";

export { ControlPlane } from "../../edge/objects/control-plane.ts";
export { TenantLimiter } from "../../edge/objects/tenant-limiter.ts";
export { UsageLedger } from "../../edge/objects/usage-ledger.ts";

const ANSWER = new TextEncoder().encode('{"live":true}');
const TYPE = { "content-type": "application/json" };

export default {
  async fetch(request, env, context) {
    if (request.url.endsWith("/nothing")) return new Response(ANSWER, { headers: TYPE });
    try {
      const keepAlive = (pending) => context.waitUntil(pending);
      const settings = await readSettings(env);
      const { headers } = request;
      const now = Date.now();
      const shield = new Shield(env.FAILED_CALLS, headers, settings.clientAddressHeader);
      const principal = await identify(headers, settings, new ControlDirectory(env, keepAlive), shield, now);
      requireScope(principal, "predict:digits");
      const limiter = () => env.TENANT_LIMITER.getByName(principal.tenant);
      const permit = await limit(principal, limiter, 1, 10_000, keepAlive);
      permit.end(true);
      return new Response(ANSWER, {
        headers: request.url.endsWith("/told") ? { ...TYPE, ...limitHeaders(permit.standings()) } : TYPE,
      });
    } catch (error) {
      return new Response(String(error), { status: error.status ?? 500 });
    }
  },
};
