/** The thread in which artefacts are opened and run for the first time, one after another. */
import { parentPort } from "node:worker_threads";
import type { Tensor } from "../../../shared/protocol/tensor.ts";
import { joinRows } from "../../runtime/batch.ts";
import { openSession, runSession } from "../../runtime/onnx-session.ts";
import { checkSample, deriveFreeSize, type Run } from "../../runtime/warm-up.ts";
import type { ProbeRequest, ThreadReply } from "./probe-messages.ts";

parentPort?.on("message", (request: ProbeRequest) => void probe(request).then(answer));
answer({ kind: "ready" });

function answer(reply: ThreadReply): void {
  parentPort?.postMessage(reply);
}

async function probe({ id, settings, sample }: ProbeRequest): Promise<ThreadReply> {
  try {
    const openedAt = performance.now();
    const open = await openSession(settings);
    const loadMs = Math.round(performance.now() - openedAt);
    answer({ kind: "loaded", id });
    const { signature, file } = open;
    const names = signature.outputs.map((output) => output.name);
    let runMs: number | undefined;
    const run: Run = async (inputs) => {
      const copies = inputs.map((input) => joinRows([input]));
      const result = await runSession(open, copies, names);
      runMs = result.computeMs;
      return result;
    };
    await runOnce(run, signature.inputs, sample).finally(() => open.session.release());
    const { inputs, outputs } = signature;
    const opsets = Object.fromEntries(file.opsets);
    const report = { signature: { inputs, outputs }, irVersion: file.irVersion, opsets, loadMs, runMs };
    return { kind: "passed", id, report };
  } catch (error) {
    return { kind: "failed", id, reason: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Whether the model takes the input is for warm-up to judge: here it only matters that trying does no harm. What is outside a
 * declared range may do some, and is not tried.
 *
 * @throws WarmgateError `model_rejected`
 */
async function runOnce(
  run: Run,
  specs: Parameters<typeof deriveFreeSize>[0],
  sample: readonly Tensor[] | undefined,
): Promise<void> {
  if (sample) {
    checkSample(specs, sample);
    await run(sample).catch(() => undefined);
  } else await deriveFreeSize(specs, run);
}
