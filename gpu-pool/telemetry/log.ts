import { destination, type Logger, pino } from "pino";

/**
 * Structured logs on standard output, one JSON object a line. Inputs, outputs and secrets are never handed to it.
 * Written synchronously: what a process says before it dies must not be lost.
 */
export function createLog(component: string, level: string): Logger {
  return pino(
    { level, base: { component, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    destination({ dest: 1, sync: true }),
  );
}
