/** Outcomes in a word, for tests to compare and to count. */
import { z } from "zod";
import type { ClientRecord } from "./client-record.ts";
import { jsonContent } from "./json-content.ts";

const errorCode = z.looseObject({ code: z.string() });

/** What a request was told: 200, or the status and the code of the refusal, or why nothing. */
export function toldIn({ outcome }: ClientRecord): string {
  if (outcome.kind === "unanswered") return outcome.reason;
  const code = errorCode.safeParse(jsonContent(outcome.body)).data?.code;
  return code === undefined ? String(outcome.status) : `${outcome.status} ${code}`;
}

/** How often what was told. */
export function tally(records: readonly ClientRecord[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const record of records) counts[toldIn(record)] = (counts[toldIn(record)] ?? 0) + 1;
  return counts;
}
