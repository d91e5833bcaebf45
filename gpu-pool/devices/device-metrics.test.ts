import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Registry } from "prom-client";
import { DeviceGuard } from "./device-guard.ts";
import { observeFallback, observeGpu, observePlacement, observeRecovery } from "./device-metrics.ts";
import type { GpuReading } from "./gpu-reading.ts";

/** The lines of a scrape that are neither help nor type. */
async function scrape(registry: Registry): Promise<string[]> {
  return (await registry.metrics()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

const READING: GpuReading = {
  utilisation: 0.5,
  memoryUsedBytes: 2,
  memoryTotalBytes: 8,
  temperatureCelsius: 45,
  powerWatts: undefined,
};

describe("a device's metrics", () => {
  test("have the GPU's figures, and no series for what is not known", async () => {
    const registry = new Registry();
    let reading: GpuReading | undefined = READING;
    observeGpu(registry, "cuda:0", () => reading);
    assert.deepEqual(await scrape(registry), [
      'warmgate_pool_gpu_utilisation_ratio{device="cuda:0"} 0.5',
      'warmgate_pool_gpu_temperature_celsius{device="cuda:0"} 45',
      'warmgate_pool_gpu_memory_bytes{device="cuda:0",kind="used"} 2',
      'warmgate_pool_gpu_memory_bytes{device="cuda:0",kind="total"} 8',
    ]);
    reading = undefined;
    assert.deepEqual(await scrape(registry), []);
  });

  test("tell how failures were dealt with, and which models are held back", async () => {
    const registry = new Registry();
    const log = { info() {}, warn() {}, error() {} };
    const guard = new DeviceGuard({ now: () => 0, log, onRecycle: () => undefined });
    observeRecovery(registry, "cuda:0", guard);
    guard.tell({ kind: "out_of_memory", model: "a/1", rows: 8 });
    for (let time = 0; time < 2; time++) guard.tell({ kind: "out_of_memory", model: "b/1", rows: 1 });
    guard.tell({ kind: "renewal_failed", model: "b/1", reason: "no memory" });
    const failures = [
      'warmgate_pool_device_failures_total{device="cuda:0",kind="out_of_memory"} 3',
      'warmgate_pool_device_failures_total{device="cuda:0",kind="sticky"} 0',
      'warmgate_pool_session_renewals_total{device="cuda:0",outcome="renewed"} 0',
      'warmgate_pool_session_renewals_total{device="cuda:0",outcome="failed"} 1',
    ];
    assert.deepEqual(await scrape(registry), [
      ...failures,
      'warmgate_pool_batch_cap_rows{device="cuda:0",model="a/1"} 4',
      'warmgate_pool_batch_cap_rows{device="cuda:0",model="b/1"} 0',
    ]);
  });

  test("tell what lies in the device's memory, and how much had to leave it", async () => {
    const registry = new Registry();
    const bert = { kind: "resident", model: "bert", version: "1", evictable: false } as const;
    const holdings = [
      { ...bert, id: "1", bytes: 3 },
      { ...bert, id: "2", bytes: 4 },
    ];
    observePlacement(registry, "cuda:0", { memory: { capacityBytes: 10, holdings }, evictions: 4 });
    assert.deepEqual(await scrape(registry), [
      'warmgate_pool_device_memory_bytes{device="cuda:0",model="bert",version="1"} 7',
      'warmgate_pool_device_memory_bytes{device="cuda:0",model="",version=""} 3',
      'warmgate_pool_evictions_total{device="cuda:0"} 4',
    ]);
  });

  test("tell whether the preferred provider is done without", async () => {
    const registry = new Registry();
    observeFallback(registry, true);
    assert.deepEqual(await scrape(registry), ["warmgate_pool_provider_fallback 1"]);
  });
});
