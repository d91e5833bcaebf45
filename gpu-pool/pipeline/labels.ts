import { encodeBytesElements } from "../../shared/protocol/bytes-elements.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { type Site, type TensorType, WrongShape } from "./step.ts";

const utf8 = new TextEncoder();

/** Names of a model's classes, or just their numbers. */
export class Labels {
  readonly datatype: "BYTES" | "INT64";
  readonly #words: readonly Uint8Array[] | undefined;

  constructor(words?: readonly string[]) {
    this.#words = words?.map((word) => utf8.encode(word));
    this.datatype = words ? "BYTES" : "INT64";
  }

  /** @throws WrongShape when the model tells more or fewer classes apart than there are labels */
  checkCount(classes: number, name: string): void {
    if (!this.#words || this.#words.length === classes) return;
    throw new WrongShape(`'${name}' tells ${classes} classes apart, but there are ${this.#words.length} labels`);
  }

  /** The positions as labels, or as they are. */
  tensor(positions: readonly number[], shape: readonly number[]): Omit<Tensor, "name"> {
    const words = this.#words;
    const bytes = words
      ? encodeBytesElements(positions.map((position) => words[position] ?? new Uint8Array()))
      : new Uint8Array(BigInt64Array.from(positions, BigInt).buffer);
    return { datatype: this.datatype, shape, bytes };
  }
}

/**
 * @param classes how many there are; -1 when that is known only once the model has run
 * @returns labels, whatever was wrong: what they are used for can be planned all the same
 */
export function planLabels(labels: string | readonly string[] | undefined, classes: number, site: Site): Labels {
  if (labels === undefined) return new Labels();
  const words = typeof labels === "string" ? linesOf(site.textOf("labels", labels)) : labels;
  if (!words) return new Labels([]);
  const empty = words.indexOf("");
  if (empty !== -1) site.fault("labels", `line ${empty + 1} is empty`);
  if (classes !== -1 && words.length !== classes) {
    site.fault("labels", `there are ${words.length}, but the dimension has ${classes}`);
  }
  return new Labels(words);
}

/** Lines of a file; the last may end like the others. */
export function linesOf(text: string | undefined): readonly string[] | undefined {
  return text?.replace(/\r?\n$/, "").split(/\r?\n/);
}

/** How many classes lie along an axis; -1 when that varies or is not known. */
export function classesAlong(axis: number | undefined, type: TensorType | undefined): number {
  return axis === undefined ? -1 : (type?.shape[axis] ?? -1);
}
