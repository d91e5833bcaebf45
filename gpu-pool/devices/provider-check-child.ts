/** The process in which a provider is tried: it computes something once, and says what came of it. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { z } from "zod";
import type { checkReplySchema } from "./provider-check.ts";

/** One node: `Identity`, `x` FP32 [1] -> `y`. */
const NETWORK =
  "CAgSDndhcm1nYXRlLXRlc3RzOjoKEAoBeBIBeSIISWRlbnRpdHkSBHRlc3RaDwoBeBIKCggIARIECgIIAWIPCgF5EgoKCAgBEgQKAggBQgQKABAS";

const [provider = "", deviceId] = process.argv.slice(2);
let failure: string | undefined;
try {
  const session = await InferenceSession.create(Buffer.from(NETWORK, "base64"), {
    executionProviders: [provider === "cpu" ? { name: "cpu" } : { name: "cuda", deviceId: Number(deviceId) }],
    // Optimised, nothing would be left of it to run.
    graphOptimizationLevel: "disabled",
    intraOpNumThreads: 1,
  });
  const { y } = await session.run({ x: new Tensor("float32", [1.5], [1]) });
  if (y?.data[0] !== 1.5) failure = "it computes wrong results";
} catch (error) {
  failure = error instanceof Error ? error.message : String(error);
}
const reply: z.infer<typeof checkReplySchema> = failure === undefined ? {} : { failure };
// It ends here whatever the driver's own threads do.
process.send?.(reply, undefined, undefined, () => process.kill(process.pid, "SIGKILL"));
