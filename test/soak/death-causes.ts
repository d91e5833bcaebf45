/** Whether a pool's log says of each serving process that died what it died of. */
import { z } from "zod";
import { jsonContent } from "../faults/pieces/json-content.ts";
import type { Ending } from "./kill-schedule.ts";

const lineSchema = z.looseObject({
  time: z.iso.datetime(),
  pid: z.int(),
  msg: z.string(),
  code: z.int().nullish(),
  signal: z.string().nullish(),
  reason: z.string().optional(),
});

/** A line of the log; `at` is its time on the scale of `performance.now()`, in whole milliseconds. */
export type LogLine = z.infer<typeof lineSchema> & { readonly at: number };

/** What an end leaves behind of a process. */
const CAUSES: Readonly<Record<Ending, (line: LogLine) => boolean>> = {
  SIGKILL: ({ signal, reason }) => signal === "SIGKILL" && reason === undefined,
  SIGSEGV: ({ signal }) => signal === "SIGSEGV",
  SIGABRT: ({ signal }) => signal === "SIGABRT",
  SIGSTOP: ({ reason = "" }) => /^its event loop stood still|^it did not get as far as its first word/.test(reason),
  // One that does not listen for it yet is ended by it.
  SIGTERM: ({ code, signal }) => code === 0 || signal === "SIGTERM",
  hang: ({ reason = "" }) => /^a run of .* has not ended after/.test(reason),
};

/** @param output of a pool; what is no line of its log is passed over */
export function linesOf(output: string): LogLine[] {
  return output.split("\n").flatMap((text) => {
    const line = lineSchema.safeParse(jsonContent(text)).data;
    return line ? [{ ...line, at: Date.parse(line.time) - performance.timeOrigin }] : [];
  });
}

/** @param endings in the order in which processes were ended, one after another's death. @returns what is missing or false, in words */
export function causesNotTold(endings: readonly Ending[], output: string): string[] {
  const deaths = linesOf(output).filter(({ msg }) => msg === "serving process died");
  if (deaths.length !== endings.length)
    return [`${endings.length} processes were ended, and ${deaths.length} have died`];
  return deaths.flatMap((death, index) => {
    const by = endings[index];
    if (by === undefined || CAUSES[by](death)) return [];
    const { code, signal, reason } = death;
    return [`of a death by ${by} the log says ${JSON.stringify({ code, signal, reason })}`];
  });
}
