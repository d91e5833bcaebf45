import { Counter, Gauge, type Registry } from "prom-client";
import type { OverloadMonitor } from "./overload-monitor.ts";
import { OVERLOAD_STAGES, severity } from "./overload-stage.ts";

/** Puts the overload stage, what it is decided by and what it has refused into what Prometheus scrapes. */
export function observeOverload(registry: Registry, overload: OverloadMonitor): void {
  const registers = [registry];
  new Gauge({
    name: "warmgate_pool_overload_stage",
    help: `Overload stage: ${OVERLOAD_STAGES.map((stage, index) => `${index} ${stage}`).join(", ")}.`,
    registers,
    collect() {
      this.set(severity(overload.stage));
    },
  });
  new Gauge({
    name: "warmgate_pool_event_loop_delay_seconds",
    help: "How late the event loop keeps running what is due.",
    registers,
    collect() {
      this.set(overload.readings.eventLoopMs / 1000);
    },
  });
  new Gauge({
    name: "warmgate_pool_resource_share",
    help: "Memory and descriptors in use, as shares of what the process may have.",
    labelNames: ["resource"],
    registers,
    collect() {
      this.set({ resource: "memory" }, overload.readings.memoryShare);
      this.set({ resource: "descriptors" }, overload.readings.descriptorShare);
    },
  });
  new Counter({
    name: "warmgate_pool_shed_total",
    help: "Requests refused by the overload stage, by priority class; unread: refused at their headers.",
    labelNames: ["class"],
    registers,
    collect() {
      this.reset();
      for (const [name, count] of Object.entries(overload.refused)) this.inc({ class: name }, count);
    },
  });
}
