/** What Prometheus sees of the scheduler: what waits, what it expects, what became of requests. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { LaneCounts } from "../scheduler/lane.ts";
import type { ObservedDevice, ObservedModel } from "./metrics.ts";

const EVENTS: readonly { readonly event: string; readonly count: keyof LaneCounts }[] = [
  { event: "admitted", count: "admitted" },
  { event: "merged", count: "merged" },
  { event: "refused_overloaded", count: "refusedOverloaded" },
  { event: "refused_deadline_unreachable", count: "refusedUnreachable" },
  { event: "expired", count: "expired" },
  { event: "late", count: "late" },
  { event: "cancelled", count: "cancelled" },
  { event: "batch_bisected", count: "bisected" },
];

export function observeScheduling(
  registry: Registry,
  served: () => readonly ObservedModel[],
  device: ObservedDevice,
): void {
  const registers = [registry];
  const labelsOf = ({ identity }: ObservedModel) => ({ model: identity.name, version: identity.version });
  const gauges: readonly [string, string, () => number][] = [
    ["queued_requests", "Requests waiting for the device.", () => device.queuedItems],
    ["queued_bytes", "Bytes of inputs waiting for the device.", () => device.queuedBytes],
    ["running_batches", "Batches on the device.", () => device.running],
    ["slots", "Batches that the device takes at once.", () => device.load.slots],
    ["predicted_wait_seconds", "Time that a request would wait now.", () => device.load.waitMs / 1000],
    ["admission_level", "Importance below which requests should be sent, 1 to 512.", () => device.load.admissionLevel],
  ];
  for (const [name, help, read] of gauges) {
    new Gauge({
      name: `warmgate_pool_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }
  new Counter({
    name: "warmgate_pool_scheduling_total",
    help: "What the scheduler did with requests, by model and event.",
    labelNames: ["model", "version", "event"],
    registers,
    collect() {
      this.reset();
      for (const model of served()) {
        const counts = model.lane?.counts;
        for (const { event, count } of counts ? EVENTS : []) this.inc({ ...labelsOf(model), event }, counts?.[count]);
      }
    },
  });
  new Counter({
    name: "warmgate_pool_dead_work_total",
    help: "Rows started although nobody could use their answer any more; anything but 0 is a fault.",
    labelNames: ["model", "version"],
    registers,
    collect() {
      this.reset();
      for (const model of served()) if (model.lane) this.inc(labelsOf(model), model.lane.counts.deadWork);
    },
  });
  new Gauge({
    name: "warmgate_pool_batch_cost_seconds",
    help: "Time that the scheduler expects a batch to take (expected), and rarely to exceed (bound).",
    labelNames: ["model", "version", "bucket", "rows", "figure"],
    registers,
    collect() {
      this.reset();
      for (const model of served()) {
        for (const { bucket, rows, expectedMs, boundMs } of model.costs?.table(performance.now()) ?? []) {
          const labels = { ...labelsOf(model), bucket, rows };
          this.set({ ...labels, figure: "expected" }, expectedMs / 1000);
          this.set({ ...labels, figure: "bound" }, boundMs / 1000);
        }
      }
    },
  });
}
