import type { Tensor, TensorSpec } from "../../shared/protocol/tensor.ts";
import type { ImageDecoder } from "./image-decoder.ts";

/** What a step may ask of the request that it works for. */
export interface StepContext {
  /** @throws WarmgateError when the request's time is up or its caller has gone */
  checkWanted(): void;
  /** Time until the answer is of no more use, in milliseconds. */
  remainingMs(): number;
  /**
   * Announces memory before it is taken; it is given back when the request has been prepared.
   *
   * @throws WarmgateError `batch_too_large`, `overloaded`
   */
  reserve(bytes: number): void;
}

/** Datatype and shape of a tensor, whatever it is called. */
export type TensorType = Omit<TensorSpec, "name">;

/** A dimension that varies has a size that a step cannot work with: the caller's fault before a model, the model's after it. */
export class WrongShape extends Error {
  override readonly name = "WrongShape";
}

/** A step as it will run: by name, what it takes, what is gone afterwards, and what is there instead. */
export interface Plan {
  readonly reads: readonly string[];
  readonly removes: readonly string[];
  /** A type is undefined where something was wrong before it, which has been told already. */
  readonly writes: readonly { readonly name: string; readonly type: TensorType | undefined }[];
  /**
   * @param inputs the tensors of `reads`, in that order and of the types that were planned for
   * @returns the tensors of `writes`, in that order
   * @throws WarmgateError `unreadable_input` naming the element that cannot be read; WrongShape
   */
  run(inputs: readonly Tensor[], context: StepContext): readonly Tensor[] | Promise<readonly Tensor[]>;
}

/** What can be known where a step stands, when the pipeline is loaded. */
export interface Site {
  /** Whether rows of different requests run together, so that no step may look beyond a row. */
  readonly batched: boolean;
  /** undefined when the machine has no decoder; that has been told already. */
  readonly images: ImageDecoder | undefined;
  /** The type of a tensor that is there; without one, says so at the step's field. */
  typeOf(field: string, name: string): TensorType | undefined;
  /** The text of a file; without one, says so at the step's field. */
  textOf(field: string, file: string): string | undefined;
  /** Notes that something is wrong; planning goes on, so that everything is told at once. */
  fault(field: string, what: string): void;
}

/** A step that changes a tensor in place. */
export function inPlace(
  name: string,
  type: TensorType | undefined,
  change: (tensor: Tensor, context: StepContext) => Omit<Tensor, "name"> | Promise<Omit<Tensor, "name">>,
): Plan {
  return {
    reads: [name],
    removes: [],
    writes: [{ name, type }],
    run: async ([tensor], context) => (tensor ? [{ ...(await change(tensor, context)), name }] : []),
  };
}

/** A step that leaves its tensor as it is and adds others. */
export function adding(
  from: string,
  writes: Plan["writes"],
  derive: (tensor: Tensor) => readonly Omit<Tensor, "name">[],
): Plan {
  return {
    reads: [from],
    removes: [],
    writes,
    run: ([tensor]) =>
      tensor ? derive(tensor).map((made, index) => ({ ...made, name: writes[index]?.name ?? "" })) : [],
  };
}
