import type { DeviceLoad } from "../scheduler/device-scheduler.ts";

/** The device's load as the header `POOL_LOAD` carries it. */
export function formatLoad({ waitMs, admissionLevel, slots }: DeviceLoad): string {
  return `wait=${waitMs.toFixed(1)};level=${admissionLevel};slots=${slots}`;
}
