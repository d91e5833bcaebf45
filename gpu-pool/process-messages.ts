/** What serving process, supervisor and the program that started them tell each other over Node's IPC channel. */
import { z } from "zod";

export const servingMessage = z.object({
  kind: z.literal("ready"),
  port: z.int(),
  opsPort: z.int(),
  /** How long the process may take to drain, in milliseconds. */
  drainMs: z.int(),
});

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
