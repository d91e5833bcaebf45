/**
 * What Prometheus scrapes from the operations port. Every request that reached the pool is in exactly one outcome:
 * received = ok + rejected + failed + cancelled, and the in-flight gauge is what is left. No label names a tenant.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { BatchCost } from "../scheduler/cost-model.ts";
import type { DeviceLoad } from "../scheduler/device-scheduler.ts";
import type { LaneCounts } from "../scheduler/lane.ts";
import { type ModelMetrics, OUTCOMES, type Outcome } from "./model-metrics.ts";
import { observeScheduling } from "./scheduling-metrics.ts";

const LATENCY_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What is read off a ready model at each scrape. */
export interface ObservedModel {
  readonly identity: { readonly name: string; readonly version: string; readonly provider: string };
  /** What waits for its own runs, and what they take; an ensemble has none. */
  readonly lane?: { readonly queuedRows: number; readonly counts: Readonly<LaneCounts> };
  readonly costs?: { table(now: number): readonly BatchCost[] };
}

/** What is read off the device's scheduler at each scrape. */
export interface ObservedDevice {
  readonly load: DeviceLoad;
  readonly queuedItems: number;
  readonly queuedBytes: number;
  readonly running: number;
}

export class PoolMetrics {
  readonly registry = new Registry();
  /** Plain numbers on the hot path; the registry reads them at each scrape. */
  #received = 0;
  readonly #answered: Record<Outcome, number> = { ok: 0, rejected: 0, failed: 0, cancelled: 0 };
  readonly #signatures: Counter<"reason">;
  readonly #announcements: Counter<"outcome">;
  readonly #byModel: Counter<"model" | "version" | "outcome">;
  readonly #duration: Histogram<"model" | "version">;
  readonly #queue: Histogram<"model" | "version">;
  readonly #compute: Histogram<"model" | "version">;
  readonly #batchRows: Histogram<"model" | "version">;

  /** @param served the models that are ready, asked at each scrape */
  constructor(served: () => readonly ObservedModel[], device: ObservedDevice) {
    const registers = [this.registry];
    const model = { labelNames: ["model", "version"] as const, registers };
    collectDefaultMetrics({ register: this.registry });
    const received = () => this.#received;
    const answered = this.#answered;
    new Counter({
      name: "warmgate_pool_requests_received_total",
      help: "Requests received.",
      registers,
      collect() {
        this.reset();
        this.inc(received());
      },
    });
    new Counter({
      name: "warmgate_pool_requests_total",
      help: "Requests answered, by outcome: ok, rejected (4xx, 503, 504), failed (other 5xx) or cancelled (caller gone).",
      labelNames: ["outcome"],
      registers,
      collect() {
        this.reset();
        for (const outcome of OUTCOMES) this.inc({ outcome }, answered[outcome]);
      },
    });
    new Gauge({
      name: "warmgate_pool_requests_in_flight",
      help: "Requests not yet answered.",
      registers,
      collect() {
        this.set(OUTCOMES.reduce((left, outcome) => left - answered[outcome], received()));
      },
    });
    this.#signatures = new Counter({
      name: "warmgate_pool_signatures_rejected_total",
      help: "Requests refused for their signature, by reason.",
      labelNames: ["reason"],
      registers,
    });
    this.#announcements = new Counter({
      name: "warmgate_pool_announcements_total",
      help: "What this process has told the edge of itself, by outcome: answered, or why it was not.",
      labelNames: ["outcome"],
      registers,
    });
    this.#byModel = new Counter({
      name: "warmgate_pool_inferences_total",
      help: "Inference requests answered, by model, version and outcome.",
      labelNames: ["model", "version", "outcome"],
      registers,
    });
    this.#duration = new Histogram({
      ...model,
      name: "warmgate_pool_inference_seconds",
      help: "Time from the whole request being read to its answer.",
      buckets: LATENCY_SECONDS,
    });
    this.#queue = new Histogram({
      ...model,
      name: "warmgate_pool_queue_seconds",
      help: "Time a request waited for its batch to start.",
      buckets: LATENCY_SECONDS,
    });
    this.#compute = new Histogram({
      ...model,
      name: "warmgate_pool_compute_seconds",
      help: "Time inside ONNX Runtime, by batch.",
      buckets: LATENCY_SECONDS,
    });
    this.#batchRows = new Histogram({
      ...model,
      name: "warmgate_pool_batch_rows",
      help: "Rows of each batch run.",
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    });
    new Gauge({
      name: "warmgate_pool_queued_rows",
      help: "Rows waiting to run.",
      labelNames: ["model", "version"],
      registers,
      collect() {
        this.reset();
        for (const { identity, lane } of served()) {
          if (lane) this.set({ model: identity.name, version: identity.version }, lane.queuedRows);
        }
      },
    });
    observeScheduling(this.registry, served, device);
    new Gauge({
      name: "warmgate_pool_model_ready",
      help: "1 for each model version that is ready, with the execution provider in use.",
      labelNames: ["model", "version", "provider"],
      registers,
      collect() {
        this.reset();
        for (const { identity } of served()) {
          this.set({ model: identity.name, version: identity.version, provider: identity.provider }, 1);
        }
      },
    });
  }

  received(): void {
    this.#received++;
  }

  answered(outcome: Outcome): void {
    this.#answered[outcome]++;
  }

  signatureRejected(reason: string): void {
    this.#signatures.inc({ reason });
  }

  announced(outcome: string): void {
    this.#announcements.inc({ outcome });
  }

  /** One model version's metrics, with the labels looked up once instead of at every request. */
  forModel(model: string, version: string): ModelMetrics {
    const labels = { model, version };
    const duration = this.#duration.labels(labels);
    const queue = this.#queue.labels(labels);
    const compute = this.#compute.labels(labels);
    const batchRows = this.#batchRows.labels(labels);
    const outcomes = {
      ok: this.#byModel.labels({ ...labels, outcome: "ok" }),
      rejected: this.#byModel.labels({ ...labels, outcome: "rejected" }),
      failed: this.#byModel.labels({ ...labels, outcome: "failed" }),
      cancelled: this.#byModel.labels({ ...labels, outcome: "cancelled" }),
    };
    return {
      answered(outcome, totalMs) {
        outcomes[outcome].inc();
        duration.observe(totalMs / 1000);
      },
      waited(queuedMs) {
        queue.observe(queuedMs / 1000);
      },
      ran(rows, computeMs) {
        compute.observe(computeMs / 1000);
        batchRows.observe(rows);
      },
    };
  }
}

/** Which outcome a status counts as. */
export function outcomeOf(status: number): Outcome {
  if (status < 400) return "ok";
  return status < 500 || status === 503 || status === 504 ? "rejected" : "failed";
}
