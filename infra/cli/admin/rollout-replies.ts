/** The admin API's replies about rollouts and shadows, as far as the command line reads them (`replies.ts`). */
import { z } from "zod";
import { distributionSchema } from "../../../shared/control/distribution.ts";
import { instant } from "./replies.ts";

/** By name; what is not known is not there. */
const figures = z.record(z.string(), z.number());
export type FiguresReply = z.infer<typeof figures>;

const decision = z.looseObject({
  at: instant,
  rollout: z.string(),
  kind: z.string(),
  reason: z.string(),
  percentage: z.number(),
  figures,
});
export type DecisionReply = z.infer<typeof decision>;

export const rolloutReply = z.looseObject({
  id: z.string(),
  route: z.string(),
  contract: z.int(),
  stable: z.string(),
  candidate: z.string(),
  plan: z.looseObject({
    steps: z.array(z.number()),
    stepSeconds: z.int(),
    stepRequests: z.int(),
    shadowShare: z.number(),
    guards: z.looseObject({
      errorRatio: z.number().nullable(),
      p99Ratio: z.number().nullable(),
      agreement: z.number().nullable(),
      nonFinite: z.boolean(),
    }),
  }),
  startedAt: instant,
  state: z.string(),
  percentage: z.number(),
  figures,
  decisions: z.array(decision),
});
export type RolloutReply = z.infer<typeof rolloutReply>;

const distribution = z.looseObject(distributionSchema.shape);
const comparison = z.looseObject({
  answers: z.int(),
  agreeingAnswers: z.int(),
  stableMs: distribution,
  candidateMs: distribution,
  outputs: z.record(
    z.string(),
    z.looseObject({
      maxAbsolute: distribution,
      maxRelative: distribution,
      rows: z.int(),
      agreeingRows: z.int(),
      incomparable: z.int(),
    }),
  ),
});
export type ComparisonReply = z.infer<typeof comparison>;
/** By `<version>-<version compared with it>`. */
export const comparisonsReply = z.looseObject({ comparisons: z.record(z.string(), comparison) });
