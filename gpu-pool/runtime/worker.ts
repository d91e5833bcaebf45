/**
 * The thread that one model instance lives in. ONNX Runtime blocks the thread it runs on, so it has one to itself;
 * HTTP and scheduling stay on the main thread. It is never terminated from outside: ending a thread in the middle of
 * a run aborts the whole process.
 */
import { workerData } from "node:worker_threads";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { collectGarbageWhenAsked } from "../overload/collect-garbage.ts";
import { openSession, runSession } from "./onnx-session.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./worker-protocol.ts";

const { settings, port, takenBack }: WorkerStart = workerData;

function answer(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

try {
  const open = await openSession(settings);
  let last: Promise<void> = Promise.resolve();
  port.on("message", (message: ToWorker) => {
    // One after another: a session runs one batch at a time, and `close` comes after what was sent before it.
    last = last.then(async () => {
      if (message.kind === "close") {
        await open.session.release();
        port.close();
        return;
      }
      if (Atomics.load(takenBack, 0) === message.id) {
        answer({ kind: "taken_back", id: message.id });
        return;
      }
      try {
        const done = await runSession(open, message.inputs, message.outputs);
        const transfer = done.outputs.map((output) => output.buffer);
        answer({ kind: "done", id: message.id, ...done }, transfer);
      } catch (error) {
        const code = error instanceof WarmgateError ? error.code : "model_failed";
        answer({ kind: "run_failed", id: message.id, code, reason: messageOf(error) });
      }
    });
  });
  collectGarbageWhenAsked();
  answer({ kind: "loaded", signature: open.signature });
} catch (error) {
  answer({ kind: "load_failed", reason: messageOf(error) });
  port.close();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
