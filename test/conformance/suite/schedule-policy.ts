/** The schedule policy extension: `priority` and `timeout` as request parameters. */
import { errorText } from "./documents.ts";
import { expect, type Rule, SPEC } from "./rule.ts";
import { expectAnswer, inferSimple, simpleCall } from "./simple-model.ts";
import type { Target } from "./target.ts";

async function answersUnder(target: Target, parameters: unknown): Promise<void> {
  const call = simpleCall();
  expectAnswer(await inferSimple(target, { inputs: call.inputs, parameters }), call);
}

async function refuses(target: Target, parameters: unknown): Promise<void> {
  const reply = await inferSimple(target, { inputs: simpleCall().inputs, parameters });
  errorText(reply);
  expect(reply.status === 400, `expected 400, got ${reply.status}`);
}

type Draft = Omit<Rule, "level" | "source" | "extension">;

const drafts: readonly Draft[] = [
  {
    id: "schedule-policy/priority",
    says: "priority 0 (the default), 1 (the highest) and 2 are accepted",
    check: async (target) => {
      for (const priority of [0, 1, 2]) await answersUnder(target, { priority });
    },
  },
  {
    id: "schedule-policy/timeout",
    says: "a timeout of 10 seconds, in microseconds, is accepted",
    check: (target) => answersUnder(target, { timeout: 10_000_000 }),
  },
  {
    id: "schedule-policy/both",
    says: "priority and timeout together, with a binary reply asked for",
    check: (target) => answersUnder(target, { priority: 1, timeout: 10_000_000, binary_data_output: true }),
  },
  {
    id: "schedule-policy/timeout-tiny",
    says: "a timeout of 1 microsecond gives the answer or an error object, never silence",
    check: async (target) => {
      const call = simpleCall();
      const reply = await inferSimple(target, { inputs: call.inputs, parameters: { timeout: 1 } });
      if (reply.status === 200) expectAnswer(reply, call);
      else errorText(reply);
    },
  },
  {
    id: "schedule-policy/timeout-text",
    says: "a timeout that is text is refused",
    check: (target) => refuses(target, { timeout: "soon" }),
  },
];

export const schedulePolicyRules: readonly Rule[] = [
  ...drafts.map((draft) => ({
    ...draft,
    level: "EXTENSION" as const,
    source: SPEC.schedule,
    extension: "schedule_policy",
  })),
  {
    id: "schedule-policy/priority-negative",
    level: "SHOULD",
    says: "a negative priority is refused",
    source: `${SPEC.triton}: the priority is read as an unsigned number`,
    extension: "schedule_policy",
    check: (target) => refuses(target, { priority: -1 }),
  },
];
