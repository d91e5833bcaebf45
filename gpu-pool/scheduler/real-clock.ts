import type { Clock } from "./executor.ts";

/** The process's monotonic clock. */
export const realClock: Clock = {
  now: () => performance.now(),
  schedule(delayMs, wake) {
    const timer = setTimeout(wake, delayMs).unref();
    return () => clearTimeout(timer);
  },
  soon: (wake) => void setImmediate(wake),
};
