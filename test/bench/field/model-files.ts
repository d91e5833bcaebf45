/** A model under test on disk, with the one request that every subject is sent and the answer that it must give. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { z } from "zod";
import { TIMEOUT_MS } from "../../../shared/protocol/headers.ts";
import { type BenchModel, type ModelFolder, placeModel } from "../bench-model.ts";
import { inferenceRequest } from "../subjects.ts";

export interface ModelFiles extends ModelFolder {
  /** The whole HTTP request: one row, JSON both ways. */
  readonly request: Buffer;
  /** The same with the deadline in the header that the pool reads; the others have none to read. */
  readonly urgentRequest: Buffer;
  readonly expected: Float32Array;
}

/** @param model of one input of rank 2, `input`, and one output, `output`, both FP32 */
export async function prepareModel(model: BenchModel, deadlineMs: number): Promise<ModelFiles> {
  const width = model.shape[1] ?? 0;
  const placed = placeModel(model);
  try {
    const request = inferenceRequest("bench", "input", width);
    return {
      ...placed,
      request,
      urgentRequest: inferenceRequest("bench", "input", width, { [TIMEOUT_MS]: String(deadlineMs) }),
      expected: await answerOf(placed.file, request, width),
    };
  } catch (error) {
    placed.remove();
    throw error;
  }
}

export function bodyOf(request: Buffer): Buffer {
  return request.subarray(request.indexOf("\r\n\r\n") + 4);
}

const requestBody = z.object({ inputs: z.tuple([z.object({ data: z.array(z.number()) })]) });

async function answerOf(file: string, request: Buffer, width: number): Promise<Float32Array> {
  const { inputs } = requestBody.parse(JSON.parse(bodyOf(request).toString()));
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1 });
  try {
    const row = new Tensor("float32", Float32Array.from(inputs[0].data), [1, width]);
    const { output } = await session.run({ input: row });
    if (!(output?.data instanceof Float32Array)) throw new Error("the model's output is not FP32");
    return output.data.slice();
  } finally {
    await session.release();
  }
}
