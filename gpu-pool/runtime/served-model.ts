/**
 * One version of a model, loaded, warm and taking work: signature, place on the device and threads together.
 *
 * Promises: what does not fit the signature is refused before it is queued; `close` lets everything that was taken in
 * finish.
 */
import { createHash } from "node:crypto";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { PriorityClass } from "../../shared/protocol/priority.ts";
import { checkInputs, selectOutputs } from "../../shared/protocol/signature.ts";
import type { InferenceRequest, ModelSignature, Tensor } from "../../shared/protocol/tensor.ts";
import { batchSizesUpTo, CostModel } from "../scheduler/cost-model.ts";
import type { DeviceScheduler } from "../scheduler/device-scheduler.ts";
import type { Answer, Ticket } from "../scheduler/entry.ts";
import type { Lane } from "../scheduler/lane.ts";
import { InferenceStatistics } from "../telemetry/inference-statistics.ts";
import type { ModelMetrics } from "../telemetry/model-metrics.ts";
import { BatchExecutor, type Prediction, type Work } from "./batch-executor.ts";
import { bucketName } from "./bucket-name.ts";
import type { ModelInstance } from "./model-instance.ts";
import { bucketOf, type Padding, padInputs, sliceOutputs } from "./padding.ts";
import type { WarmUpReport } from "./warm-up.ts";

export type PredictionScheduler = DeviceScheduler<Work, Prediction>;

/** What identifies a version and where it came from. */
export interface ModelIdentity {
  readonly name: string;
  readonly version: string;
  /** SHA-256 over the model's files and its model.json, in hex. */
  readonly digest: string;
  readonly provider: string;
  readonly description: string;
  readonly deterministic: boolean;
}

/** How a model wants to be run. */
export interface ServingPolicy {
  /** How long an idle device may wait for a fuller batch, in milliseconds. */
  readonly maxDelayMs: number;
  /** Whether batches are filled up to an allowed size. */
  readonly padBatches: boolean;
  readonly refuseNonFinite: boolean;
  readonly padding: Padding | undefined;
}

/** Who asks, how urgently, and until when. */
export interface Demand {
  readonly tenant: string;
  readonly priority: PriorityClass;
  /** On the scheduler's clock. */
  readonly deadline: number;
  /** Rows that the tenant may send at once; 0: as many as the model takes. */
  readonly maxRows: number;
}

/** A queued request, and the rows it asks for. */
export interface RowsTicket extends Ticket<Prediction> {
  readonly rows: number;
}

export class ServedModel {
  readonly identity: ModelIdentity;
  readonly signature: ModelSignature;
  /** Rows that may run together; 0 when requests run alone. */
  readonly maxBatch: number;
  /** Instances, each with a thread of its own. */
  readonly instanceCount: number;
  readonly policy: ServingPolicy;
  readonly statistics = new InferenceStatistics();
  readonly metrics: ModelMetrics;
  readonly lane: Lane<Work, Prediction>;
  readonly costs: CostModel;
  readonly #scheduler: PredictionScheduler;
  readonly #instances: readonly ModelInstance[];

  /** @param instances at least one, all of the same artefact */
  constructor(
    identity: ModelIdentity,
    instances: readonly [ModelInstance, ...ModelInstance[]],
    warmUp: WarmUpReport,
    policy: ServingPolicy,
    metrics: ModelMetrics,
    scheduler: PredictionScheduler,
  ) {
    const { maxBatch } = warmUp;
    const batched = maxBatch > 0;
    this.identity = identity;
    this.signature = { inputs: instances[0].signature.inputs, outputs: warmUp.outputs };
    this.maxBatch = maxBatch;
    this.instanceCount = instances.length;
    this.policy = policy;
    this.metrics = metrics;
    this.#scheduler = scheduler;
    this.#instances = instances;
    const largestBatch = Math.max(1, maxBatch);
    const sizes = batchSizesUpTo(largestBatch);
    this.costs = new CostModel(sizes, policy.padBatches);
    for (const { bucket, rows, ms } of warmUp.timings) this.costs.seed(bucket, rows, ms);
    const executor = new BatchExecutor({
      instances,
      signature: this.signature,
      batched,
      paddedSizes: batched && policy.padBatches ? sizes : undefined,
      refuseNonFinite: policy.refuseNonFinite,
      onRun: (rows, computeMs) => {
        this.statistics.ran(rows, computeMs);
        metrics.ran(rows, computeMs);
      },
    });
    const { maxDelayMs } = policy;
    this.lane = scheduler.addLane({
      executor,
      costs: this.costs,
      largestBatch,
      instances: instances.length,
      maxDelayMs,
    });
  }

  /**
   * Checks a request against the signature and queues it.
   *
   * @throws WarmgateError `input_mismatch`, `unknown_output`, `batch_too_large`, `overloaded`, `deadline_unreachable`
   */
  submit(request: InferenceRequest, { maxRows, ...demand }: Demand): RowsTicket {
    const { signature, identity } = this;
    checkInputs(signature, request.inputs);
    const outputs = selectOutputs(signature, request.outputs);
    const rows = this.maxBatch > 0 ? batchRows(request.inputs) : 1;
    if (maxRows > 0 && rows > maxRows) {
      throw new WarmgateError("batch_too_large", `the batch has ${rows} rows, this tenant may send ${maxRows} at once`);
    }
    const { padding } = this.policy;
    const fit = padding && bucketOf(padding, request.inputs);
    const inputs = padding && fit ? padInputs(padding, request.inputs, fit.bucket) : request.inputs;
    const ticket = this.#scheduler.submit(this.lane, {
      item: { inputs, outputs, rows },
      rows,
      bytes: inputs.reduce((sum, { bytes }) => sum + bytes.byteLength, 0),
      bucket: bucketName(signature, inputs),
      digest: identity.deterministic ? digestOf(demand.tenant, request.inputs, outputs) : undefined,
      ...demand,
    });
    if (!padding || !fit || fit.size === fit.bucket) return { ...ticket, rows };
    const sliced = (answer: Answer<Prediction>): Answer<Prediction> => {
      const { outputs: padded, computeMs } = answer.result;
      return { ...answer, result: { computeMs, outputs: sliceOutputs(padding, padded, fit.size, fit.bucket) } };
    };
    return { result: ticket.result.then(sliced), cancel: ticket.cancel, rows };
  }

  /** Answers what was taken in, then releases the model. Nothing may be submitted any more. */
  async close(): Promise<void> {
    await this.#scheduler.removeLane(this.lane);
    await Promise.all(this.#instances.map((instance) => instance.close()));
  }
}

/** Rows of the batch dimension, which every input of a batched model must agree on. */
function batchRows(inputs: readonly Tensor[]): number {
  const rows = inputs[0]?.shape[0] ?? 0;
  const other = inputs.find((input) => input.shape[0] !== rows);
  if (other) {
    throw new WarmgateError(
      "input_mismatch",
      `input '${other.name}' has ${other.shape[0]} rows, the first input ${rows}`,
    );
  }
  if (rows === 0) throw new WarmgateError("input_mismatch", "the batch dimension is 0; send at least one row");
  return rows;
}

/** Names a request by everything its answer depends on, and by its tenant: nobody learns what another has asked. */
function digestOf(tenant: string, inputs: readonly Tensor[], outputs: readonly string[]): string {
  const hash = createHash("sha256");
  const head = [
    tenant,
    outputs,
    inputs.map(({ name, datatype, shape, bytes }) => [name, datatype, shape, bytes.length]),
  ];
  hash.update(JSON.stringify(head)).update("\n");
  for (const { bytes } of inputs) hash.update(bytes);
  return hash.digest("base64");
}
