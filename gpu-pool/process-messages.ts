/** What serving process, supervisor and the program that started them tell each other over Node's IPC channel. */
import { z } from "zod";
import { probeReportSchema } from "./repository/probe/probe-messages.ts";

const loadingArtefact = z.object({
  model: z.string(),
  version: z.string(),
  /** Names its content. */
  digest: z.string(),
});
export type LoadingArtefact = z.infer<typeof loadingArtefact>;

/** Not to be loaded, as it brought down an earlier process; where it says so, for so many milliseconds. */
const leftOut = loadingArtefact.extend({ reason: z.string(), forMs: z.number().positive().optional() });
export type LeftOut = z.infer<typeof leftOut>;

const passedTrial = z.object({ digest: z.string(), report: probeReportSchema });
/** What trying an artefact has told. */
export type PassedTrial = z.infer<typeof passedTrial>;

const culprit = loadingArtefact.extend({ during: z.enum(["load", "warm_up", "serving"]) });
/** The artefact whose load or run has brought down the process. */
export type Culprit = z.infer<typeof culprit>;

/** In a serving process's environment: the provider that an earlier one has served with, and that need not be tried again. */
export const PROVEN_PROVIDER = "WARMGATE_PROVEN_PROVIDER";

export const servingMessage = z.discriminatedUnion("kind", [
  /** It listens for signals and questions from now on. */
  z.object({
    kind: z.literal("started"),
    /** What its models run on. */
    provider: z.enum(["cpu", "cuda"]),
    /** How long it may take to drain, in milliseconds. */
    drainMs: z.int(),
    /** How long it may leave questions unanswered, in milliseconds; 0: for ever. */
    aliveLimitMs: z.int(),
  }),
  z.object({ kind: z.literal("ready"), port: z.int(), opsPort: z.int() }),
  /** The answer to a question. */
  z.object({ kind: z.literal("alive") }),
  /** It cannot go on, answers what it still can and ends; another one is wanted. */
  z.object({
    kind: z.literal("stuck"),
    reason: z.string(),
    /** Whose load or run it is that does not end, or has failed the device, where that is known. */
    culprit: culprit.optional(),
  }),
  /** It loads and warms an artefact now, which may be the last thing that it does. */
  z.object({ kind: z.literal("loading"), artefact: loadingArtefact }),
  /** An artefact has been tried and is good: the next process need not try it. */
  z.object({ kind: z.literal("passed"), trial: passedTrial }),
  z.object({ kind: z.literal("load_ended"), artefact: loadingArtefact, loaded: z.boolean() }),
]);

/** From the supervisor to a serving process. */
export const supervisorWord = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("ping") }),
  /** Said once, when it has started: what earlier processes have found out. */
  z.object({ kind: z.literal("known"), leftOut: z.array(leftOut), passed: z.array(passedTrial) }),
]);

export const supervisorMessage = z.discriminatedUnion("kind", [
  /** A serving process is up and warm. Sent again after each restart. */
  z.object({ kind: z.literal("ready"), pid: z.int(), port: z.int(), opsPort: z.int() }),
  /** The serving process cannot be kept up; the supervisor has given up. */
  z.object({ kind: z.literal("failed"), reason: z.string() }),
]);

export type SupervisorWord = z.infer<typeof supervisorWord>;
export type Known = Omit<Extract<SupervisorWord, { kind: "known" }>, "kind">;
export type ServingMessage = z.infer<typeof servingMessage>;
export type SupervisorMessage = z.infer<typeof supervisorMessage>;

/** Sends to the parent where there is one that listens. */
export function tellParent(message: ServingMessage | SupervisorMessage): void {
  if (process.connected) process.send?.(message);
}
