/** The files of this folder as they are read by promtool, as far as the tests here look into them. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";

const FOLDER = import.meta.dirname;

const recordingSchema = z.strictObject({ record: z.string(), expr: z.string() });
const alertSchema = z.strictObject({
  alert: z.string(),
  expr: z.string(),
  for: z
    .string()
    .regex(/^\d+m$/)
    .optional(),
  labels: z.strictObject({ severity: z.enum(["page", "ticket"]) }),
  annotations: z.strictObject({
    summary: z.string().min(1),
    description: z.string().min(1),
    runbook_url: z.string().min(1),
  }),
});
export type Recording = z.infer<typeof recordingSchema>;
export type Alert = z.infer<typeof alertSchema>;

const groupsOf = <Rule extends z.ZodType>(rule: Rule) =>
  z.object({ groups: z.array(z.object({ name: z.string(), rules: z.array(rule) })) });

const replaySchema = z.object({
  name: z.string().min(1),
  alert_rule_test: z
    .array(
      z.strictObject({
        alertname: z.string(),
        eval_time: z.string().regex(/^\d+m$/),
        exp_alerts: z.array(z.unknown()),
      }),
    )
    .default([]),
});
/** One set of series that promtool feeds the rules, with what must come of it. */
export type Replay = z.infer<typeof replaySchema>;

export function readRecordings(): Recording[] {
  return groupsOf(recordingSchema)
    .parse(readYaml("rules/recording.yml"))
    .groups.flatMap(({ rules }) => rules);
}

export function readAlerts(): Alert[] {
  return groupsOf(alertSchema)
    .parse(readYaml("rules/alerts.yml"))
    .groups.flatMap(({ rules }) => rules);
}

export function readReplays(): Replay[] {
  const fileSchema = z.object({ tests: z.array(replaySchema) });
  return globSync("tests/*.yml", { cwd: FOLDER }).flatMap((file) => fileSchema.parse(readYaml(file)).tests);
}

/** `5m` in minutes. */
export function minutes(duration: string): number {
  return Number(duration.slice(0, -1));
}

function readYaml(file: string): unknown {
  return parse(readFileSync(join(FOLDER, file), "utf8"));
}
