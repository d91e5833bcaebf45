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
import type { DeviceGuard } from "../devices/device-guard.ts";
import { dividingWork } from "../devices/divide-work.ts";
import { RecoveringExecutor } from "../devices/recovering-executor.ts";
import type { Pipeline, Preparing } from "../pipeline/pipeline.ts";
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

/** What a model takes of the memory of one device. */
export interface MemoryUse {
  readonly provider: "cpu" | "cuda";
  readonly deviceId: number;
  readonly bytes: number;
}

/** How a model wants to be run. */
export interface ServingPolicy {
  /** How long an idle device may wait for a fuller batch, in milliseconds. */
  readonly maxDelayMs: number;
  /** Whether batches are filled up to an allowed size. */
  readonly padBatches: boolean;
  readonly refuseNonFinite: boolean;
  readonly padding: Padding | undefined;
  /** What is done before and after; left out: nothing. */
  readonly pipeline?: Pipeline | undefined;
}

/** How a model is kept running on a device that may fail. */
export interface Recovery {
  readonly guard: DeviceGuard;
  /** All memory of the device, in bytes. */
  readonly capacityBytes: number;
  /** Opens as many instances anew as there are, which have been closed; leaves none behind when it fails. */
  readonly reopen: () => Promise<readonly ModelInstance[]>;
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
  /** Final once the result is there: what an ensemble asks of its members shows as it goes on. */
  readonly rows: number;
}

export class ServedModel {
  readonly kind = "model";
  readonly identity: ModelIdentity;
  /** What callers send and are answered: the pipeline's, where there is one. */
  readonly signature: ModelSignature;
  /** What the model itself takes and gives. */
  readonly #model: ModelSignature;
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
  readonly #recovering: RecoveringExecutor<Work, Prediction> | undefined;
  #instances: readonly ModelInstance[];
  /** What it takes of its device's memory; undefined where nobody has measured it. */
  memory: MemoryUse | undefined;
  /** Called once it has left the device. */
  onClosed: (() => void) | undefined;
  /** Requests that have not been queued yet, and ensembles' requests that may still come to it. */
  #held = 0;
  #whenLetGo: (() => void) | undefined;
  #closing = false;

  /**
   * @param instances at least one, all of the same artefact
   * @param recovery undefined where the device's failures are the model's own
   */
  constructor(
    identity: ModelIdentity,
    instances: readonly [ModelInstance, ...ModelInstance[]],
    warmUp: WarmUpReport,
    policy: ServingPolicy,
    metrics: ModelMetrics,
    scheduler: PredictionScheduler,
    recovery?: Recovery,
    now: () => number = () => performance.now(),
  ) {
    const { maxBatch } = warmUp;
    const batched = maxBatch > 0;
    this.identity = identity;
    this.#model = { inputs: instances[0].signature.inputs, outputs: warmUp.outputs };
    this.signature = policy.pipeline?.signature ?? this.#model;
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
    const executorOf = (instances: readonly ModelInstance[]) =>
      new BatchExecutor({
        instances,
        signature: this.#model,
        batched,
        paddedSizes: batched && policy.padBatches ? sizes : undefined,
        refuseNonFinite: policy.refuseNonFinite,
        boundMs: (bucket, rows) => this.costs.boundMs(bucket, rows, now()),
        onRun: (rows, computeMs) => {
          this.statistics.ran(rows, computeMs);
          metrics.ran(rows, computeMs);
        },
      });
    this.#recovering =
      recovery &&
      new RecoveringExecutor({
        model: `${identity.name}/${identity.version}`,
        guard: recovery.guard,
        capacityBytes: recovery.capacityBytes,
        executor: executorOf(instances),
        renew: async () => {
          await Promise.all(this.#instances.map((instance) => instance.close()));
          this.#instances = await recovery.reopen();
          return executorOf(this.#instances);
        },
        ...dividingWork(batched),
      });
    const executor = this.#recovering ?? executorOf(instances);
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
   * Takes a request as callers send it: through the pipeline, where there is one.
   *
   * @throws WarmgateError as {@link prepareAndSubmit} and {@link submit} do
   */
  accept(
    request: InferenceRequest,
    demand: Demand,
    preparing: Pick<Preparing, "clock" | "caller">,
  ): RowsTicket | Promise<RowsTicket> {
    const { pipeline } = this.policy;
    return pipeline ? this.prepareAndSubmit(pipeline, request, demand, preparing) : this.submit(request, demand);
  }

  /**
   * Keeps the model on its device until what comes back is called, once.
   *
   * @returns undefined when it is leaving: nothing may be submitted any more
   */
  hold(): (() => void) | undefined {
    if (this.#closing) return undefined;
    this.#held++;
    return () => this.#letGo();
  }

  /** The least that a run of so many rows is known to take, in milliseconds; 0 for a model of which sizes behind the batch vary. */
  leastMs(rows: number): number {
    const { inputs } = this.#model;
    if (inputs.some(({ shape }) => shape.slice(1).includes(-1))) return 0;
    return this.costs.leastMs(bucketName(this.#model, inputs), rows);
  }

  /**
   * Checks a request against the pipeline's signature, has it prepared, and queues it; its answer is the pipeline's.
   *
   * @param pipeline the model's own (`policy`)
   * @throws WarmgateError as {@link submit} and `Pipeline.prepare` do
   */
  async prepareAndSubmit(
    pipeline: Pipeline,
    request: InferenceRequest,
    demand: Demand,
    { clock, caller }: Pick<Preparing, "clock" | "caller">,
  ): Promise<RowsTicket> {
    checkInputs(pipeline.signature, request.inputs);
    // Before anything is decoded: what would be refused afterwards must not cost as much as what is not.
    const rows = this.#rowsOf(request.inputs, demand.maxRows);
    const { largestBatch } = this.lane.settings;
    if (rows > largestBatch) {
      const reason = `the batch has ${rows} rows; the largest this model takes is ${largestBatch}`;
      throw new WarmgateError("batch_too_large", reason);
    }
    this.#held++;
    try {
      const prepared = await pipeline.prepare(request, { clock, caller, deadline: demand.deadline });
      const ticket = this.submit(prepared.request, demand);
      const finished = async (answer: Answer<Prediction>): Promise<Answer<Prediction>> => {
        const outputs = await prepared.finish(answer.result.outputs);
        return { ...answer, result: { ...answer.result, outputs } };
      };
      return { ...ticket, result: ticket.result.then(finished) };
    } finally {
      this.#letGo();
    }
  }

  /**
   * Checks a request against the model's own signature and queues it.
   *
   * @throws WarmgateError `input_mismatch`, `unknown_output`, `batch_too_large`, `overloaded`, `deadline_unreachable`
   */
  submit(request: InferenceRequest, { maxRows, ...demand }: Demand): RowsTicket {
    const { identity } = this;
    const signature = this.#model;
    checkInputs(signature, request.inputs);
    const outputs = selectOutputs(signature, request.outputs);
    const rows = this.#rowsOf(request.inputs, maxRows);
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

  /** Rows that a request asks for, as far as the tenant may. */
  #rowsOf(inputs: readonly Tensor[], maxRows: number): number {
    const rows = this.maxBatch > 0 ? batchRows(inputs) : 1;
    if (maxRows > 0 && rows > maxRows) {
      throw new WarmgateError("batch_too_large", `the batch has ${rows} rows, this tenant may send ${maxRows} at once`);
    }
    return rows;
  }

  #letGo(): void {
    if (--this.#held === 0) this.#whenLetGo?.();
  }

  /** Answers what was taken in, then releases the model. Nothing may be submitted any more. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#held > 0) await new Promise<void>((resolve) => (this.#whenLetGo = resolve));
    await this.#scheduler.removeLane(this.lane);
    await this.#recovering?.close();
    await Promise.all(this.#instances.map((instance) => instance.close()));
    this.onClosed?.();
  }
}

/** Rows of the batch dimension, which every input of a batched model must agree on. @throws WarmgateError `input_mismatch` */
export function batchRows(inputs: readonly Tensor[]): number {
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
