import type { DeviceLoad } from "../scheduler/device-scheduler.ts";

/** The device's load as the header `POOL_LOAD` carries it. @param ownWaitMs of the tenant that is replied to */
export function formatLoad({ waitMs, admissionLevel, slots }: DeviceLoad, ownWaitMs: number): string {
  return `wait=${waitMs.toFixed(1)};level=${admissionLevel.toFixed(2)};slots=${slots};own=${ownWaitMs.toFixed(1)}`;
}
