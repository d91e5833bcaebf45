/** What pool and edge export, as their own code says it: every metric with every value of its labels that rules may ask for. */
import { EdgeMetrics } from "../../edge/telemetry/edge-metrics.ts";
import type { Delivery } from "../../gpu-pool/announce/edge-connection.ts";
import { DeviceGuard } from "../../gpu-pool/devices/device-guard.ts";
import {
  observeFallback,
  observeGpu,
  observePlacement,
  observeRecovery,
} from "../../gpu-pool/devices/device-metrics.ts";
import { observeOverload } from "../../gpu-pool/overload/overload-metrics.ts";
import { OverloadMonitor } from "../../gpu-pool/overload/overload-monitor.ts";
import type { RejectionReason } from "../../gpu-pool/server/authenticate.ts";
import { PoolMetrics } from "../../gpu-pool/telemetry/metrics.ts";
import { OUTCOMES } from "../../gpu-pool/telemetry/model-metrics.ts";

/** The values that each label of a metric takes. */
export type LabelValues = ReadonlyMap<string, ReadonlySet<string>>;

/** A model that has met nothing yet: the registry writes its counts as zeros. */
const MODEL = {
  identity: { name: "m", version: "1", provider: "cpu" },
  lane: {
    queuedRows: 0,
    counts: {
      admitted: 0,
      merged: 0,
      refusedOverloaded: 0,
      refusedUnreachable: 0,
      expired: 0,
      late: 0,
      cancelled: 0,
      bisected: 0,
      deadWork: 0,
    },
  },
  costs: { table: () => [{ bucket: "1", rows: 1, expectedMs: 1, boundMs: 1, runs: 0 }] },
};
const DEVICE = {
  load: { waitMs: 0, admissionLevel: 1, slots: 1 },
  queuedItems: 0,
  queuedBytes: 0,
  running: 0,
};
const GPU = "cuda:0";
const READING = { utilisation: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, temperatureCelsius: 0, powerWatts: 0 };
const DELIVERIES: Readonly<Record<Delivery["kind"], true>> = {
  answered: true,
  unreachable: true,
  timeout: true,
  refused: true,
  unreadable: true,
};
const REJECTIONS: Readonly<Record<RejectionReason, true>> = {
  unsigned: true,
  unknown_key: true,
  bad_signature: true,
  stale_or_replayed: true,
};

/** By the name of the series: of a histogram those of its buckets, sum and count. */
export async function exportedSeries(): Promise<ReadonlyMap<string, LabelValues>> {
  const metrics = new PoolMetrics(() => [MODEL], DEVICE);
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
  observeOverload(metrics.registry, new OverloadMonitor({ log: quiet, random: () => 0 }));
  observeFallback(metrics.registry, false);
  observeGpu(metrics.registry, GPU, () => READING);
  observePlacement(metrics.registry, GPU, { memory: { capacityBytes: 1, holdings: [] }, evictions: 0 });
  const guard = new DeviceGuard({ now: () => 0, log: quiet, onRecycle: () => undefined });
  // A model that is held back: the others have no series.
  guard.tell({ kind: "out_of_memory", model: "m/1", rows: 2 });
  observeRecovery(metrics.registry, GPU, guard);
  for (const kind of Object.keys(DELIVERIES)) metrics.announced(kind);
  for (const reason of Object.keys(REJECTIONS)) metrics.signatureRejected(reason);
  const model = metrics.forModel(MODEL.identity.name, MODEL.identity.version);
  for (const outcome of OUTCOMES) model.answered(outcome, 1);
  model.waited(1);
  model.ran(1, 1);
  return new Map([...readExposition(await metrics.registry.metrics()), ...readExposition(edgeExposition())]);
}

function edgeExposition(): string {
  const metrics = new EdgeMetrics();
  for (const answered of ["hit", "collapsed", "pool", "degraded", undefined] as const) {
    for (const status of [200, 500, 502, 503]) {
      metrics.observe({ route: "/v2/models/{model}/infer", status, ms: 1, answered, shed: "wait", attempts: [] });
    }
  }
  const breakers = [{ node: "n", model: "m", state: "open" }];
  return metrics.exposition({ breakers, heldBytes: { requests: 0, answers: 0 }, liveNodes: 1 });
}

const SAMPLE = /^(?<name>[a-zA-Z_:][\w:]*)(?:\{(?<labels>.*)\})? \S+$/;

/** Reads Prometheus' text format as prom-client writes it. */
function readExposition(text: string): Map<string, Map<string, Set<string>>> {
  const series = new Map<string, Map<string, Set<string>>>();
  for (const line of text.split("\n")) {
    const { name = "", labels = "" } = SAMPLE.exec(line)?.groups ?? {};
    if (name === "") continue;
    const known = series.get(name) ?? new Map<string, Set<string>>();
    series.set(name, known);
    for (const [, label = "", value = ""] of labels.matchAll(/(\w+)="([^"]*)"/g)) {
      known.set(label, (known.get(label) ?? new Set()).add(value));
    }
  }
  return series;
}
