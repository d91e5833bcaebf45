/**
 * Runs the batches that the device's scheduler has formed: many requests' tensors as one, on an instance of the model that
 * is free, and the outputs as many answers.
 *
 * Promises: an answer belongs to the item it stands for; outputs have the shape that they must have, and no number that
 * the model's policy rules out, or the item fails.
 */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { firstNonFinite } from "../../shared/protocol/non-finite.ts";
import type { ModelSignature, Tensor } from "../../shared/protocol/tensor.ts";
import type { Executor, Place } from "../scheduler/executor.ts";
import { joinRows, splitRows } from "./batch.ts";
import { bucketName } from "./bucket-name.ts";
import type { ModelInstance } from "./model-instance.ts";
import type { TransferableTensor } from "./ort-tensor.ts";
import { checkOutputShape } from "./output-check.ts";

/** One request's part of a batch. */
export interface Work {
  readonly inputs: readonly Tensor[];
  /** Names of the outputs wanted. */
  readonly outputs: readonly string[];
  /** Rows of the batch dimension; 1 for a model that is not batched. */
  readonly rows: number;
}

export interface Prediction {
  /** In the order in which they were asked for. */
  readonly outputs: readonly Tensor[];
  /** Time in ONNX Runtime of the whole batch, in milliseconds. */
  readonly computeMs: number;
}

export interface BatchExecutorSettings {
  readonly instances: readonly ModelInstance[];
  readonly signature: ModelSignature;
  /** Whether the first dimension is a batch. */
  readonly batched: boolean;
  /** Batch sizes that batches are filled up to, where every new shape costs time; undefined leaves them as they are. */
  readonly paddedSizes: readonly number[] | undefined;
  /** Whether an answer with NaN or Infinity in it is refused. */
  readonly refuseNonFinite: boolean;
  /** What a batch is known to take at most, in milliseconds. */
  readonly boundMs: (bucket: string, rows: number) => number;
  readonly onRun: (rows: number, computeMs: number) => void;
}

export class BatchExecutor implements Executor<Work, Prediction> {
  readonly #settings: BatchExecutorSettings;
  readonly #free: ModelInstance[];
  /** Which instance the runs of a place are on, and how many of them. */
  readonly #busy = new Map<Place, { readonly instance: ModelInstance; runs: number }>();

  constructor(settings: BatchExecutorSettings) {
    this.#settings = settings;
    this.#free = [...settings.instances];
  }

  async run(batch: readonly Work[], place: Place): Promise<readonly (Prediction | Error)[]> {
    const { signature, batched, boundMs, onRun } = this.#settings;
    const instance = this.#occupy(place);
    try {
      const wanted = union(batch.map((work) => work.outputs));
      const rowCounts = batch.map((work) => work.rows);
      const rows = rowCounts.reduce((sum, count) => sum + count, 0);
      const size = this.#settings.paddedSizes?.find((allowed) => allowed >= rows);
      const inputs = signature.inputs.map((spec) => joinRows(gather(batch, spec.name), size));
      const { outputs, computeMs } = await instance.run(inputs, wanted, () =>
        boundMs(bucketName(signature, inputs), rows),
      );
      onRun(rows, computeMs);
      for (const output of outputs) checkOutputShape(signature, output);
      const shares = batched ? outputs.map((output) => splitRows(output, rowCounts, size)) : [];
      return batch.map((work, index) => {
        const own = work.outputs.map((name) => {
          const position = wanted.indexOf(name);
          return batched ? shares[position]?.[index] : whole(outputs[position]);
        });
        return this.#prediction(work, own, computeMs);
      });
    } finally {
      this.#vacate(place);
    }
  }

  takeBack(place: Place): void {
    this.#busy.get(place)?.instance.takeBack();
  }

  #occupy(place: Place): ModelInstance {
    const busy = this.#busy.get(place);
    if (busy) {
      busy.runs++;
      return busy.instance;
    }
    const instance = this.#free.pop();
    if (!instance) throw new WarmgateError("internal", "no instance of the model is free");
    this.#busy.set(place, { instance, runs: 1 });
    return instance;
  }

  #vacate(place: Place): void {
    const busy = this.#busy.get(place);
    if (!busy || --busy.runs > 0) return;
    this.#busy.delete(place);
    this.#free.push(busy.instance);
  }

  #prediction(work: Work, own: readonly (Tensor | undefined)[], computeMs: number): Prediction | Error {
    const outputs: Tensor[] = [];
    for (const [index, tensor] of own.entries()) {
      if (!tensor) return new WarmgateError("internal", `output '${work.outputs[index]}' is missing from the batch`);
      if (this.#settings.refuseNonFinite && firstNonFinite(tensor) !== undefined) {
        return new WarmgateError("non_finite_output", `output '${tensor.name}' has a value that is not finite`);
      }
      outputs.push(tensor);
    }
    return { outputs, computeMs };
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
