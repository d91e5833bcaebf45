/**
 * A process that takes the GPU's memory but for some of it, says so, and keeps it until its parent lets go of it.
 *
 *     node memory-hog.ts <bytes to leave>
 */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { DETOUR_BYTES, detourModel } from "../support/detour-model.ts";
import { readGpu } from "./read-gpu.ts";

const leave = Number(process.argv[2]);
const network = detourModel();
/** What has run once keeps its memory. */
const sessions: InferenceSession[] = [];
for (let columns = 64; columns >= 1; ) {
  const { memoryTotalBytes = 0, memoryUsedBytes = 0 } = await readGpu();
  if (memoryTotalBytes - memoryUsedBytes - columns * DETOUR_BYTES < leave) {
    columns /= 2;
    continue;
  }
  const session = await InferenceSession.create(network, { executionProviders: ["cuda"], logSeverityLevel: 4 });
  await session.run({ input: new Tensor("float64", new Float64Array(columns), [1, columns]) });
  sessions.push(session);
}
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
process.send?.({ sessions: sessions.length });
