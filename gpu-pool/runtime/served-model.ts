/**
 * One version of a model, loaded, warm and taking work: signature, queue and thread together.
 *
 * Promises: an answer belongs to the request it is given to; outputs have the shape they must have or the request
 * fails; `close` lets everything that was taken in finish.
 */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { checkInputs, selectOutputs } from "../../shared/protocol/signature.ts";
import type { InferenceRequest, ModelSignature, Tensor } from "../../shared/protocol/tensor.ts";
import type { Clock, Executor } from "../scheduler/executor.ts";
import { FifoBatcher, type Ticket } from "../scheduler/fifo-batcher.ts";
import { InferenceStatistics } from "../telemetry/inference-statistics.ts";
import type { ModelMetrics } from "../telemetry/model-metrics.ts";
import { joinRows, splitRows } from "./batch.ts";
import type { ModelInstance } from "./model-instance.ts";
import type { TransferableTensor } from "./ort-tensor.ts";
import type { WarmUpReport } from "./warm-up.ts";

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

interface Work {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  readonly rows: number;
}

export interface Prediction {
  readonly outputs: readonly Tensor[];
  /** Time in ONNX Runtime of the whole batch, in milliseconds. */
  readonly computeMs: number;
}

/** Queue in multiples of the largest batch. */
const QUEUED_BATCHES = 64;
const QUEUED_ALONE = 256;

export class ServedModel implements Executor<Work, Prediction> {
  readonly identity: ModelIdentity;
  readonly signature: ModelSignature;
  /** Rows that may run together; 0 when requests run alone. */
  readonly maxBatch: number;
  readonly statistics = new InferenceStatistics();
  readonly metrics: ModelMetrics;
  readonly #instance: ModelInstance;
  readonly #batcher: FifoBatcher<Work, Prediction>;

  constructor(
    identity: ModelIdentity,
    instance: ModelInstance,
    warmUp: WarmUpReport,
    metrics: ModelMetrics,
    clock: Clock,
  ) {
    this.identity = identity;
    this.signature = { inputs: instance.signature.inputs, outputs: warmUp.outputs };
    this.maxBatch = warmUp.maxBatch;
    this.metrics = metrics;
    this.#instance = instance;
    this.#batcher = new FifoBatcher(this, clock, {
      maxBatchRows: warmUp.maxBatch || 1,
      maxQueuedRows: warmUp.maxBatch > 0 ? warmUp.maxBatch * QUEUED_BATCHES : QUEUED_ALONE,
    });
  }

  get queuedRows(): number {
    return this.#batcher.queuedRows;
  }

  /**
   * Checks a request against the signature and queues it.
   *
   * @param deadline on the clock's scale
   * @throws WarmgateError `input_mismatch`, `unknown_output`, `batch_too_large`, `overloaded`, `deadline_exceeded`
   */
  submit(request: InferenceRequest, deadline: number): Ticket<Prediction> {
    const { signature } = this;
    checkInputs(signature, request.inputs);
    const outputs = selectOutputs(signature, request.outputs);
    const rows = this.maxBatch > 0 ? batchRows(request.inputs) : 1;
    const batchKey = this.maxBatch > 0 ? trailingShapes(signature, request.inputs) : "";
    return this.#batcher.submit({ item: { inputs: request.inputs, outputs, rows }, rows, batchKey, deadline });
  }

  async run(batch: readonly Work[]): Promise<readonly Prediction[]> {
    const wanted = union(batch.map((work) => work.outputs));
    const inputs = this.signature.inputs.map((spec) => joinRows(gather(batch, spec.name)));
    const { outputs, computeMs } = await this.#instance.run(inputs, wanted);
    const rowCounts = batch.map((work) => work.rows);
    const rows = rowCounts.reduce((sum, count) => sum + count, 0);
    this.statistics.ran(rows, computeMs);
    this.metrics.ran(rows, computeMs);
    const shares = this.maxBatch > 0 ? outputs.map((output) => splitRows(output, rowCounts)) : [];
    return batch.map((work, index) => ({
      computeMs,
      outputs: work.outputs.map((name) => {
        const position = wanted.indexOf(name);
        const share = this.maxBatch > 0 ? shares[position]?.[index] : whole(outputs[position]);
        if (!share) throw new WarmgateError("internal", `output '${name}' is missing from the batch`);
        return share;
      }),
    }));
  }

  /** Answers what was taken in, then releases the model. Nothing may be submitted any more. */
  async close(): Promise<void> {
    await this.#batcher.drained();
    await this.#instance.close();
  }
}

function whole(output: TransferableTensor | undefined): Tensor | undefined {
  return output && { ...output, bytes: new Uint8Array(output.buffer) };
}

function gather(batch: readonly Work[], name: string): [Tensor, ...Tensor[]] {
  const [first, ...rest] = batch.map((work) => {
    const tensor = work.inputs.find((input) => input.name === name);
    if (!tensor) throw new WarmgateError("input_mismatch", `input '${name}' is missing`);
    return tensor;
  });
  if (!first) throw new WarmgateError("internal", "a batch cannot be empty");
  return [first, ...rest];
}

function union(lists: readonly (readonly string[])[]): readonly string[] {
  const [first] = lists;
  if (first && lists.every((list) => list === first || list.length === first.length)) {
    if (lists.every((list) => list.every((name, index) => name === first[index]))) return first;
  }
  return [...new Set(lists.flat())];
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

function trailingShapes(signature: ModelSignature, inputs: readonly Tensor[]): string {
  return signature.inputs
    .map((spec) =>
      inputs
        .find((input) => input.name === spec.name)
        ?.shape.slice(1)
        .join("x"),
    )
    .join(";");
}
