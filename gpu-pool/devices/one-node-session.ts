/** The smallest use of a device: a network of one node, which computes something. */
import { InferenceSession, Tensor } from "onnxruntime-node";

/** `Identity`, `x` FP32 [1] -> `y`. */
const NETWORK =
  "CAgSDndhcm1nYXRlLXRlc3RzOjoKEAoBeBIBeSIISWRlbnRpdHkSBHRlc3RaDwoBeBIKCggIARIECgIIAWIPCgF5EgoKCAgBEgQKAggBQgQKABAS";

/**
 * Blocks the thread for as long as the device's libraries take to be loaded.
 *
 * @throws Error in ONNX Runtime's words, or because the device computes wrong results
 */
export async function runOneNode(provider: "cpu" | "cuda", deviceId: number): Promise<void> {
  const session = await InferenceSession.create(Buffer.from(NETWORK, "base64"), {
    executionProviders: [provider === "cpu" ? { name: "cpu" } : { name: "cuda", deviceId }],
    // Optimised, nothing would be left of it to run.
    graphOptimizationLevel: "disabled",
    intraOpNumThreads: 1,
  });
  try {
    const { y } = await session.run({ x: new Tensor("float32", [1.5], [1]) });
    if (y?.data[0] !== 1.5) throw new Error("it computes wrong results");
  } finally {
    await session.release();
  }
}
