/** Small networks of any size, with fixed pseudo-random weights, for tests and benchmarks. */
import { FLOAT, floatTensor, integersAttribute, model, node, valueInfo, weights } from "./onnx-protobuf.ts";

/**
 * A multi-layer perceptron: `input` FP32 [batch, sizes[0]] -> Gemm, Relu, Gemm, ... -> `output` FP32 [batch, last size].
 *
 * @param sizes width of each layer, at least two
 * @returns the bytes of model.onnx
 */
export function perceptron(sizes: readonly number[]): Uint8Array {
  const nodes: Uint8Array[] = [];
  const initializers: Uint8Array[] = [];
  let flowing = "input";
  for (let layer = 0; layer + 1 < sizes.length; layer++) {
    const rows = sizes[layer] ?? 0;
    const columns = sizes[layer + 1] ?? 0;
    const isLast = layer + 2 === sizes.length;
    const sum = isLast ? "output" : `sum${layer}`;
    initializers.push(floatTensor(`weight${layer}`, [rows, columns], weights(rows * columns, rows)));
    initializers.push(floatTensor(`bias${layer}`, [columns], new Float32Array(columns)));
    nodes.push(node("Gemm", [flowing, `weight${layer}`, `bias${layer}`], [sum]));
    if (isLast) break;
    flowing = `hidden${layer}`;
    nodes.push(node("Relu", [sum], [flowing]));
  }
  return model({
    nodes,
    initializers,
    inputs: [valueInfo("input", FLOAT, ["batch", sizes[0] ?? 0])],
    outputs: [valueInfo("output", FLOAT, ["batch", sizes.at(-1) ?? 0])],
  });
}

/**
 * A deep network with small weights and a small input, for runs that take as long as one likes: `input` FP32 [batch, 64]
 * -> `depth` times the same 512 x 512 layer -> `output` FP32 [batch, 10].
 */
export function deepNetwork(depth: number): Uint8Array {
  const width = 512;
  const nodes = [node("Gemm", ["input", "first", "bias"], ["layer0"])];
  for (let layer = 0; layer < depth; layer++) {
    nodes.push(node("Gemm", [`layer${layer}`, "weight", "bias"], [`sum${layer}`]));
    nodes.push(node("Tanh", [`sum${layer}`], [`layer${layer + 1}`]));
  }
  nodes.push(node("Gemm", [`layer${depth}`, "last", "lastBias"], ["output"]));
  return model({
    nodes,
    initializers: [
      floatTensor("first", [64, width], weights(64 * width, 64)),
      floatTensor("weight", [width, width], weights(width * width, width)),
      floatTensor("bias", [width], new Float32Array(width)),
      floatTensor("last", [width, 10], weights(width * 10, width)),
      floatTensor("lastBias", [10], new Float32Array(10)),
    ],
    inputs: [valueInfo("input", FLOAT, ["batch", 64])],
    outputs: [valueInfo("output", FLOAT, ["batch", 10])],
  });
}

/** Side of the convolutional network's images, in pixels. */
export const IMAGE_SIZE = 96;

/**
 * An image classifier in the manner of ResNet (He et al. 2015): a stem and four stages of residual blocks, each half the
 * side and twice the channels of the one before. `input` FP32 [1, 3, 96, 96] -> `output` FP32 [1, 100]. The batch is fixed
 * at 1, as many exporters leave it.
 */
export function residualNetwork(): Uint8Array {
  const nodes: Uint8Array[] = [];
  const initializers: Uint8Array[] = [];
  let count = 0;
  const convolve = (from: string, inChannels: number, outChannels: number, kernel: number, stride: number): string => {
    const name = `conv${count++}`;
    const fanIn = inChannels * kernel * kernel;
    const dims = [outChannels, inChannels, kernel, kernel];
    initializers.push(floatTensor(`${name}.weight`, dims, weights(outChannels * fanIn, fanIn)));
    initializers.push(floatTensor(`${name}.bias`, [outChannels], new Float32Array(outChannels)));
    const pad = Math.floor(kernel / 2);
    const attributes = [
      integersAttribute("kernel_shape", [kernel, kernel]),
      integersAttribute("strides", [stride, stride]),
      integersAttribute("pads", [pad, pad, pad, pad]),
    ];
    nodes.push(node("Conv", [from, `${name}.weight`, `${name}.bias`], [name], attributes));
    return name;
  };
  const apply = (operator: string, ...inputs: string[]): string => {
    const name = `${operator.toLowerCase()}${count++}`;
    nodes.push(node(operator, inputs, [name]));
    return name;
  };
  let channels = 32;
  let flowing = apply("Relu", convolve("input", 3, channels, 3, 2));
  for (const [stage, width] of [32, 64, 128, 256].entries()) {
    for (let block = 0; block < 2; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const shortcut = stride === 1 ? flowing : convolve(flowing, channels, width, 1, stride);
      const first = apply("Relu", convolve(flowing, channels, width, 3, stride));
      flowing = apply("Relu", apply("Add", convolve(first, width, width, 3, 1), shortcut));
      channels = width;
    }
  }
  const flat = apply("Flatten", apply("GlobalAveragePool", flowing));
  initializers.push(floatTensor("head.weight", [channels, 100], weights(channels * 100, channels)));
  initializers.push(floatTensor("head.bias", [100], new Float32Array(100)));
  nodes.push(node("Gemm", [flat, "head.weight", "head.bias"], ["output"]));
  return model({
    nodes,
    initializers,
    inputs: [valueInfo("input", FLOAT, [1, 3, IMAGE_SIZE, IMAGE_SIZE])],
    outputs: [valueInfo("output", FLOAT, [1, 100])],
  });
}
