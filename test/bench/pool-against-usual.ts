/** The pool against the usual server, alternately, on the same model with the same requests and connections. */
import { type BenchModel, placeModel } from "./bench-model.ts";
import { type Comparison, compareAlternately } from "./compare.ts";
import { inferenceRequest, startOpenPool, startUsualServer } from "./subjects.ts";

export async function poolAgainstUsual(model: BenchModel, connections: number, rounds: number): Promise<Comparison> {
  const placed = placeModel(model);
  const [ours, usual] = await Promise.all([startOpenPool([placed.folder]), startUsualServer(placed.file)]);
  try {
    const request = inferenceRequest("bench", "input", model.shape[1] ?? 0);
    return await compareAlternately(
      { label: "Warmgate pool", port: ours.port, pid: ours.pid, request },
      { label: "fastify + session.run", port: usual.port, pid: usual.pid, request },
      { connections, rounds },
    );
  } finally {
    await Promise.all([ours.stop(), usual.stop()]);
    placed.remove();
  }
}
