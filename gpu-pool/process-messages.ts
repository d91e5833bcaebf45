/** What serving process, supervisor and the program that started them tell each other over Node's IPC channel. */
import { z } from "zod";

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
  z.object({ kind: z.literal("stuck"), reason: z.string() }),
]);

/** From the supervisor to a serving process. */
export const supervisorQuestion = z.object({ kind: z.literal("ping") });

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
