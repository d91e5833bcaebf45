/** Models whose answer tells which version made it, for tests of how versions are chosen. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FLOAT, floatTensor, model, node, valueInfo, weights } from "./onnx-protobuf.ts";

/** Elements of a row of `x` unless told otherwise. */
export const WIDTH = 4;

/**
 * `x` FP32 [batch, width] -> `y` FP32 [batch, width], each element of `x` times `factor`.
 *
 * @param further whether there is a second output `z` of the same form, which is `x`
 */
export function scaling(factor: number, { width = WIDTH, further = false } = {}): Uint8Array {
  return elementwise("Mul", factor, width, further);
}

/** The same form, but `y` is `x` divided by zero: Infinity, or NaN where `x` is 0. */
export function dividingByZero(): Uint8Array {
  return elementwise("Div", 0, WIDTH, false);
}

/**
 * The answer of `scaling(factor)`, after a long calculation that changes nothing of it.
 *
 * @param layers of 512 x 512, each of which takes some 10 microseconds a row
 */
export function slowScaling(factor: number, layers: number): Uint8Array {
  const width = 512;
  const nodes = [node("Mul", ["x", "operand"], ["scaled"]), node("MatMul", ["x", "first"], ["layer0"])];
  for (let layer = 0; layer < layers; layer++) {
    nodes.push(node("MatMul", [`layer${layer}`, "weight"], [`sum${layer}`]));
    nodes.push(node("Tanh", [`sum${layer}`], [`layer${layer + 1}`]));
  }
  nodes.push(node("MatMul", [`layer${layers}`, "last"], ["nothing"]), node("Add", ["scaled", "nothing"], ["y"]));
  return model({
    nodes,
    initializers: [
      floatTensor("operand", [1], Float32Array.of(factor)),
      floatTensor("first", [WIDTH, width], weights(WIDTH * width, WIDTH)),
      floatTensor("weight", [width, width], weights(width * width, width)),
      // Too little to be added to anything, and not so little that it would be left out.
      floatTensor("last", [width, WIDTH], new Float32Array(width * WIDTH).fill(1e-30)),
    ],
    inputs: [valueInfo("x", FLOAT, ["batch", WIDTH])],
    outputs: [valueInfo("y", FLOAT, ["batch", WIDTH])],
  });
}

function elementwise(operator: string, operand: number, width: number, further: boolean): Uint8Array {
  const form = (name: string) => valueInfo(name, FLOAT, ["batch", width]);
  return model({
    nodes: [node(operator, ["x", "operand"], ["y"]), ...(further ? [node("Identity", ["x"], ["z"])] : [])],
    initializers: [floatTensor("operand", [1], Float32Array.of(operand))],
    inputs: [form("x")],
    outputs: [form("y"), ...(further ? [form("z")] : [])],
  });
}

/** A model repository of a test's own, in a new folder. */
export class ModelFolder {
  readonly path = mkdtempSync(join(tmpdir(), "warmgate-models-"));

  /** @param versions the bytes of model.onnx, from version 1 on @param settings content of model.json */
  add(name: string, versions: readonly Uint8Array[], settings: Readonly<Record<string, unknown>> = {}): this {
    for (const [index, bytes] of versions.entries()) {
      const folder = join(this.path, name, String(index + 1));
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "model.onnx"), bytes);
    }
    writeFileSync(join(this.path, name, "model.json"), JSON.stringify(settings));
    return this;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
