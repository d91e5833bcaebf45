/** Whether a server's answer is the model's output: a server that is fast at anything else is not compared. */
import { z } from "zod";

const outputs = z.array(z.object({ data: z.array(z.number()) })).min(1);
/** BentoML's batchable API answers with the list of outputs itself. */
const answer = z.union([z.object({ outputs }).transform((body) => body.outputs), outputs]);

/** Sums of thousands of FP32 products differ a little with the order in which they are added. */
const TOLERANCE = 1e-3;

/** What is wrong with the answer, or undefined. */
export function faultOf(body: string, expected: Float32Array): string | undefined {
  const parsed = answer.safeParse(parseJson(body));
  if (!parsed.success) return `not an inference answer: ${body.slice(0, 200)}`;
  const values = parsed.data[0]?.data ?? [];
  if (values.length !== expected.length) return `${values.length} values instead of ${expected.length}`;
  const scale = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
  const wrong = values.findIndex((value, index) => !(Math.abs(value - (expected[index] ?? 0)) <= TOLERANCE * scale));
  return wrong < 0 ? undefined : `value ${wrong} is ${values[wrong]} instead of ${expected[wrong]}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
