/** What serving process, supervisor and the program that started them tell each other over Node's IPC channel. */
import { z } from "zod";

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

const culprit = loadingArtefact.extend({ during: z.enum(["warm_up", "serving"]) });
/** The artefact whose run has brought down the process. */
export type Culprit = z.infer<typeof culprit>;

export const servingMessage = z.discriminatedUnion("kind", [
  /** It listens for signals and questions from now on. */
  z.object({
    kind: z.literal("started"),
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
    /** Whose run it is that does not end or has failed the device, where that is known. */
    culprit: culprit.optional(),
  }),
  /** It loads and warms an artefact now, which may be the last thing that it does. */
  z.object({ kind: z.literal("loading"), artefact: loadingArtefact }),
  z.object({ kind: z.literal("load_ended"), artefact: loadingArtefact, loaded: z.boolean() }),
]);

/** From the supervisor to a serving process. */
export const supervisorWord = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("ping") }),
  /** Said once, when it has started. */
  z.object({ kind: z.literal("leave_out"), artefacts: z.array(leftOut) }),
]);

export const supervisorMessage = z.discriminatedUnion("kind", [
  /** A serving process is up and warm. Sent again after each restart. */
  z.object({ kind: z.literal("ready"), pid: z.int(), port: z.int(), opsPort: z.int() }),
  /** The serving process cannot be kept up; the supervisor has given up. */
  z.object({ kind: z.literal("failed"), reason: z.string() }),
]);

export type ServingMessage = z.infer<typeof servingMessage>;
export type SupervisorMessage = z.infer<typeof supervisorMessage>;

/** Sends to the parent where there is one that listens. */
export function tellParent(message: ServingMessage | SupervisorMessage): void {
  if (process.connected) process.send?.(message);
}
