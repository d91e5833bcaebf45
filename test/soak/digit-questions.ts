/**
 * What the digits are asked, each time something else, and what they owe: what one process answered when nothing was wrong. Of one
 * version: while a process loads several, it answers whoever names none with those that it has already.
 */
import { z } from "zod";
import { seededRandom } from "../bench/arrivals.ts";
import type { Question } from "../faults/pieces/client-record.ts";
import type { AskedModel } from "../faults/pieces/paced-clients.ts";
import { fp32Request, inferJson } from "../support/inference-call.ts";

const MODEL = "digits";
const PIXELS = 64;
const LEVELS = 17;
/** More than are ever in flight, so that no two of them ask the same. */
const QUESTIONS = 256;
/** A row's answer may differ by this much from one batch size to another. */
const TOLERANCE = 1e-5;

const answerSchema = z.looseObject({
  outputs: z.tuple([
    z.looseObject({ name: z.literal("label"), data: z.tuple([z.int()]) }),
    z.looseObject({ name: z.literal("probabilities"), data: z.array(z.number()).length(10) }),
  ]),
});
type Answer = z.infer<typeof answerSchema>;

/** @param url of a pool that nothing is done to meanwhile. @throws Error where two questions have the same answer */
export async function digitQuestions(url: string, seed: number): Promise<AskedModel> {
  const random = seededRandom(seed);
  const questions: Question[] = [];
  const answers: Answer[] = [];
  for (let question = 0; question < QUESTIONS; question++) {
    const pixels = Array.from({ length: PIXELS }, () => Math.floor(random() * LEVELS));
    const answer = answerSchema.parse(await inferJson(url, MODEL, fp32Request("pixels", [1, PIXELS], pixels)));
    if (answers.some((other) => isSame(other, answer))) throw new Error("two digits have the same answer");
    answers.push(answer);
    questions.push({
      input: { name: "pixels", datatype: "FP32", shape: [1, PIXELS], data: pixels },
      expected: {
        kind: "holds",
        holds: (content) => {
          const given = answerSchema.safeParse(content);
          return given.success && isSame(given.data, answer);
        },
      },
    });
  }
  return {
    name: MODEL,
    question: ([, element = 0]) => {
      const question = questions[element % QUESTIONS];
      if (!question) throw new Error("an element is a whole number");
      return question;
    },
  };
}

function isSame({ outputs: [label, row] }: Answer, { outputs: [otherLabel, otherRow] }: Answer): boolean {
  const isNear = row.data.every((value, index) => Math.abs(value - (otherRow.data[index] ?? 0)) <= TOLERANCE);
  return isNear && label.data[0] === otherLabel.data[0];
}
