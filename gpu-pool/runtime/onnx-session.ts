/**
 * One ONNX Runtime session: opened, run, released. Both block the thread, so this is for threads that have nothing else
 * to do: the one a model is served from, and the one it is tried in first.
 */
import { InferenceSession } from "onnxruntime-node";
import { withRanges } from "./declared-ranges.ts";
import { checkExternalData } from "./external-data.ts";
import { type OnnxFile, readOnnxFile } from "./onnx-file.ts";
import { fromOrtTensor, type TransferableTensor, toOrtTensor } from "./ort-tensor.ts";
import { MalformedMessage } from "./protobuf-reader.ts";
import { type SessionSignature, sessionSignature } from "./signature.ts";
import type { WorkerSettings } from "./worker-protocol.ts";

export interface OpenSession {
  readonly session: InferenceSession;
  readonly signature: SessionSignature;
  readonly file: OnnxFile;
}

/** @throws Error in ONNX Runtime's words, or in plain ones when the file is none or wants to read what it may not */
export async function openSession(settings: WorkerSettings): Promise<OpenSession> {
  const file = readFile(settings.file);
  await checkExternalData(settings.file, file.external, settings.dataFiles);
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
  try {
    const signature = sessionSignature(session);
    return { session, signature: { ...signature, inputs: withRanges(signature.inputs, settings.ranges ?? {}) }, file };
  } catch (error) {
    // The thread that tries artefacts goes on to the next one.
    await session.release();
    throw error;
  }
}

function readFile(file: string): OnnxFile {
  try {
    return readOnnxFile(file);
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    throw new Error(`the file is no ONNX model, or only a part of one: ${error.message}`);
  }
}

/** @throws Error in ONNX Runtime's words; WarmgateError `invalid_data` for strings that it cannot take */
export async function runSession(
  { session, signature }: Pick<OpenSession, "session" | "signature">,
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
