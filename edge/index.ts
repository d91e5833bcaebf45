/** The Worker's entry: what the platform calls, and the Durable Objects it instantiates. */
import { createGateway } from "./app.ts";

export { ControlPlane } from "./objects/control-plane.ts";
export { JobStore } from "./objects/job-store.ts";
export { PoolDirectory } from "./objects/pool-directory.ts";
export { RolloutController } from "./objects/rollout-controller.ts";
export { TenantLimiter } from "./objects/tenant-limiter.ts";
export { UsageLedger } from "./objects/usage-ledger.ts";

export default { fetch: createGateway() };
