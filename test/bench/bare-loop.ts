/**
 * What a device can do at the most: `session.run` in a loop on one thread, with nothing around it. A process of its own.
 *
 *     node bare-loop.ts <model.onnx> <shape, comma-separated> <batch> <milliseconds> <cpu|cuda>
 */
import { InferenceSession, Tensor } from "onnxruntime-node";

// As the pool has it.
process.env.NVIDIA_TF32_OVERRIDE ??= "0";
const [file = "", shapeText = "", batchText = "", msText = "", provider = ""] = process.argv.slice(2);
const batch = Number(batchText);
const measureMs = Number(msText);
const shape = shapeText.split(",").map(Number).with(0, batch);
const session = await InferenceSession.create(file, {
  executionProviders: [provider === "cuda" ? "cuda" : "cpu"],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
});
const [input = ""] = session.inputNames;
const values = new Float32Array(shape.reduce((product, size) => product * size, 1)).map((_, index) => (index * 7) % 17);
const feeds = { [input]: new Tensor("float32", values, shape) };
for (let run = 0; run < 3; run++) await session.run(feeds);
const times: number[] = [];
const startedAt = performance.now();
while (performance.now() - startedAt < measureMs) {
  const runAt = performance.now();
  await session.run(feeds);
  times.push(performance.now() - runAt);
}
const seconds = (performance.now() - startedAt) / 1000;
times.sort((a, b) => a - b);
const at = (share: number) => times[Math.floor(times.length * share)];
process.stdout.write(
  `${JSON.stringify({ rowsPerSecond: (times.length * batch) / seconds, p50Ms: at(0.5), p99Ms: at(0.99) })}\n`,
);
