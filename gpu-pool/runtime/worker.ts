/**
 * The thread that one model instance lives in. ONNX Runtime blocks the thread it runs on, so it has one to itself;
 * HTTP and scheduling stay on the main thread. It is never terminated from outside: ending a thread in the middle of
 * a run aborts the whole process.
 */
import { workerData } from "node:worker_threads";
import { InferenceSession } from "onnxruntime-node";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { collectGarbageWhenAsked } from "../overload/collect-garbage.ts";
import { fromOrtTensor, type TransferableTensor, toOrtTensor } from "./ort-tensor.ts";
import { type SessionSignature, sessionSignature } from "./signature.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./worker-protocol.ts";

const { settings, port, takenBack }: WorkerStart = workerData;

function answer(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

async function load(): Promise<{ session: InferenceSession; signature: SessionSignature }> {
  const session = await InferenceSession.create(settings.file, {
    executionProviders: [
      settings.provider === "cuda" ? { name: "cuda", deviceId: settings.deviceId } : { name: "cpu" },
    ],
    intraOpNumThreads: settings.computeThreads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    // Every failure comes back as an exception, which is logged with its request; the runtime need not print it too.
    logSeverityLevel: 4,
    // Threads that spin while they wait take the cores that HTTP and the other models need.
    extra: { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } },
  });
  return { session, signature: sessionSignature(session) };
}

async function run(
  session: InferenceSession,
  signature: SessionSignature,
  inputs: readonly TransferableTensor[],
  outputs: readonly string[],
): Promise<{ outputs: TransferableTensor[]; computeMs: number }> {
  const feeds = Object.fromEntries(inputs.map((input) => [input.name, toOrtTensor(input)]));
  const startedAt = performance.now();
  const results = await session.run(feeds, [...outputs]);
  const computeMs = performance.now() - startedAt;
  return {
    computeMs,
    outputs: outputs.map((name) => {
      const spec = signature.outputs.find((candidate) => candidate.name === name);
      const tensor = results[name];
      if (!spec || !tensor) throw new Error(`the model gave no output '${name}'`);
      return fromOrtTensor(name, spec.datatype, tensor);
    }),
  };
}

try {
  const { session, signature } = await load();
  let last: Promise<void> = Promise.resolve();
  port.on("message", (message: ToWorker) => {
    // One after another: a session runs one batch at a time, and `close` comes after what was sent before it.
    last = last.then(async () => {
      if (message.kind === "close") {
        await session.release();
        port.close();
        return;
      }
      if (Atomics.load(takenBack, 0) === message.id) {
        answer({ kind: "taken_back", id: message.id });
        return;
      }
      try {
        const done = await run(session, signature, message.inputs, message.outputs);
        const transfer = done.outputs.map((output) => output.buffer);
        answer({ kind: "done", id: message.id, ...done }, transfer);
      } catch (error) {
        const code = error instanceof WarmgateError ? error.code : "model_failed";
        answer({ kind: "run_failed", id: message.id, code, reason: messageOf(error) });
      }
    });
  });
  collectGarbageWhenAsked();
  answer({ kind: "loaded", signature });
} catch (error) {
  answer({ kind: "load_failed", reason: messageOf(error) });
  port.close();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
