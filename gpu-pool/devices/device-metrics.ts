/** What Prometheus scrapes of a device: its GPU's readings, how its failures were dealt with, and what lies in its memory. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { DeviceGuard } from "./device-guard.ts";
import type { GpuReading } from "./gpu-reading.ts";
import { freeBytes } from "./memory-budget.ts";
import type { ModelPlacement } from "./model-placement.ts";

/**
 * @param device as in `warmgate_pool_...{device}`: `cuda:0`
 * @param reading the latest one, asked at each scrape; what is undefined has no series
 */
export function observeGpu(registry: Registry, device: string, reading: () => GpuReading | undefined): void {
  const gauge = (name: string, help: string, value: (reading: GpuReading) => number | undefined) =>
    new Gauge({
      name: `warmgate_pool_gpu_${name}`,
      help,
      labelNames: ["device"],
      registers: [registry],
      collect() {
        this.reset();
        const now = reading();
        const figure = now && value(now);
        if (figure !== undefined) this.set({ device }, figure);
      },
    });
  gauge("utilisation_ratio", "Share of time in which a kernel ran on the GPU.", ({ utilisation }) => utilisation);
  gauge("temperature_celsius", "The GPU's temperature.", ({ temperatureCelsius }) => temperatureCelsius);
  gauge("power_watts", "Power that the GPU draws.", ({ powerWatts }) => powerWatts);
  new Gauge({
    name: "warmgate_pool_gpu_memory_bytes",
    help: "Memory of the GPU, by kind: used (by any process) and total.",
    labelNames: ["device", "kind"],
    registers: [registry],
    collect() {
      this.reset();
      const { memoryUsedBytes, memoryTotalBytes } = reading() ?? {};
      if (memoryUsedBytes !== undefined) this.set({ device, kind: "used" }, memoryUsedBytes);
      if (memoryTotalBytes !== undefined) this.set({ device, kind: "total" }, memoryTotalBytes);
    },
  });
}

/** How the device's failures were dealt with. */
export function observeRecovery(registry: Registry, device: string, guard: DeviceGuard): void {
  const registers = [registry];
  new Counter({
    name: "warmgate_pool_device_failures_total",
    help: "Runs that failed for the device's sake, by kind: out_of_memory, or sticky, after which its process is recycled.",
    labelNames: ["device", "kind"],
    registers,
    collect() {
      this.reset();
      this.inc({ device, kind: "out_of_memory" }, guard.counts.outOfMemory);
      this.inc({ device, kind: "sticky" }, guard.counts.sticky);
    },
  });
  new Counter({
    name: "warmgate_pool_session_renewals_total",
    help: "Models whose sessions were opened anew after the device was out of memory, by outcome.",
    labelNames: ["device", "outcome"],
    registers,
    collect() {
      this.reset();
      this.inc({ device, outcome: "renewed" }, guard.counts.renewed);
      this.inc({ device, outcome: "failed" }, guard.counts.renewalsFailed);
    },
  });
  new Gauge({
    name: "warmgate_pool_batch_cap_rows",
    help: "Largest batch of a model that was out of memory; 0 while it does not run. Models without a cap have no series.",
    labelNames: ["device", "model"],
    registers,
    collect() {
      this.reset();
      for (const { model, cap } of guard.caps()) this.set({ device, model }, cap);
    },
  });
}

/** What is placed on the device, and what had to leave it for that. */
export function observePlacement(
  registry: Registry,
  device: string,
  placement: Pick<ModelPlacement, "memory" | "evictions">,
): void {
  new Gauge({
    name: "warmgate_pool_device_memory_bytes",
    help: "Memory of the device as it is handed out to models: by model and version, and with neither what is free.",
    labelNames: ["device", "model", "version"],
    registers: [registry],
    collect() {
      this.reset();
      const now = placement.memory;
      for (const { model, version, bytes } of now.holdings) this.inc({ device, model, version }, bytes);
      this.set({ device, model: "", version: "" }, freeBytes(now));
    },
  });
  new Counter({
    name: "warmgate_pool_evictions_total",
    help: "Models that were taken off the device to make room for another one.",
    labelNames: ["device"],
    registers: [registry],
    collect() {
      this.reset();
      this.inc({ device }, placement.evictions);
    },
  });
}

/** Whether models run on the CPU although another provider is preferred. */
export function observeFallback(registry: Registry, fellBack: boolean): void {
  new Gauge({
    name: "warmgate_pool_provider_fallback",
    help: "1 where models run on the CPU because the provider that is preferred cannot be used.",
    registers: [registry],
  }).set(fellBack ? 1 : 0);
}
