/**
 * What must hold whatever fails, held against what clients, the edge's log and the nodes' metrics say of a run:
 *
 * - I1 each request is answered, once, with its own answer
 * - I2 not later than its deadline
 * - I3 with nothing of another tenant
 * - I4 rightly or with an error
 * - I6 log and metrics account for it
 * - I7 errors have the one shape and show nothing of the inside
 *
 *     assert.deepEqual(brokenInvariants({ records, markers, edgeLog, pools }), []);
 *
 * Pure. That processes are alive or back in time (I5) cannot be told from these and is for the test to check.
 */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { DATATYPES } from "../../../shared/protocol/datatype.ts";
import { REQUEST_ID } from "../../../shared/protocol/headers.ts";
import { brokenInLog, brokenInMetrics, type PoolFigures } from "./account-check.ts";
import type { Answered, ClientRecord, Expectation } from "./client-record.ts";
import { brokenInErrorReply } from "./error-reply-check.ts";
import { jsonContent } from "./json-content.ts";

export interface Evidence {
  readonly records: readonly ClientRecord[];
  /** By tenant: what all of its inputs hold, as a word of its own, and nobody else's. */
  readonly markers: ReadonlyMap<string, string>;
  /** All that the edge has logged, once what it gathers (for 100 ms) is written; left out where clients spoke to a node itself. */
  readonly edgeLog?: readonly string[];
  /** Every node that may have answered. Empty for nodes without metrics. */
  readonly pools: readonly PoolFigures[];
  /** How much later than its deadline an answer may be, in milliseconds; 50 unless given. */
  readonly slackMs?: number | ((record: ClientRecord) => number);
}

const SLACK_MS = 50;

const answerSchema = z.object({
  outputs: z.array(
    z.object({
      ...{ name: z.string(), datatype: z.enum(DATATYPES) },
      ...{ shape: z.array(z.int()), data: z.array(z.unknown()) },
    }),
  ),
});

/** @returns what is broken, in words, each beginning with the name of the invariant; empty when nothing is */
export function brokenInvariants({ records, markers, edgeLog, pools, slackMs = SLACK_MS }: Evidence): string[] {
  const slackOf = typeof slackMs === "number" ? () => slackMs : slackMs;
  const words = new Map([...markers].map(([tenant, marker]) => [tenant, wordPattern(marker)]));
  return [
    ...answersPerRequest(records),
    ...records.flatMap((record) => brokenInRecord(record, words, slackOf)),
    ...(edgeLog ? [...brokenInLog(records, edgeLog), ...inputsInLog(edgeLog, words)] : []),
    ...brokenInMetrics(records, pools),
  ];
}

function answersPerRequest(records: readonly ClientRecord[]): string[] {
  const answers = new Map<string, number>();
  for (const { id, outcome } of records) {
    answers.set(id, (answers.get(id) ?? 0) + (outcome.kind === "answered" ? 1 : 0));
  }
  return [...answers]
    .filter(([, count]) => count > 1)
    .map(([id, count]) => `I1: request ${id} was answered ${count} times`);
}

function brokenInRecord(
  record: ClientRecord,
  words: ReadonlyMap<string, RegExp>,
  slackOf: (record: ClientRecord) => number,
): string[] {
  const { id, tenant, sentAt, deadlineMs, outcome } = record;
  const who = `request ${id} of ${tenant}`;
  if (outcome.kind === "unanswered") return [`I1: ${who} was not answered: ${outcome.reason}`];
  const broken: string[] = [];
  const answered = outcome.headers[REQUEST_ID];
  if (answered !== id) broken.push(`I1: ${who} got the answer of ${answered === undefined ? "nobody" : answered}`);
  const tookMs = outcome.answeredAt - sentAt;
  if (tookMs > deadlineMs && tookMs > deadlineMs + slackOf(record)) {
    broken.push(
      `I2: ${who} was answered ${outcome.status} after ${Math.round(tookMs)} ms, with a deadline of ${deadlineMs} ms`,
    );
  }
  broken.push(...foreignData(record, outcome, words, who));
  if (outcome.status >= 400) broken.push(...brokenInErrorReply(outcome, id, who));
  else if (outcome.status !== 200)
    broken.push(`I4: ${who} got status ${outcome.status}, neither an answer nor an error`);
  else if (!isRight(outcome.body, record.expected)) {
    broken.push(`I4: ${who} got a wrong answer: ${shown(outcome.body)}`);
  }
  return broken;
}

function foreignData(
  { tenant }: ClientRecord,
  { status, headers, body }: Answered,
  words: ReadonlyMap<string, RegExp>,
  who: string,
): string[] {
  const told = [body, ...Object.values(headers)];
  const broken = [...words]
    .filter(([other, word]) => other !== tenant && told.some((text) => word.test(text)))
    .map(([other]) => `I3: ${who} was told data of ${other}`);
  const own = words.get(tenant);
  if (status === 200 && own && !own.test(body)) broken.push(`I3: ${who} got an answer without its own marker`);
  return broken;
}

function inputsInLog(edgeLog: readonly string[], words: ReadonlyMap<string, RegExp>): string[] {
  return [...words]
    .filter(([, word]) => edgeLog.some((line) => word.test(line)))
    .map(([tenant]) => `I3: the edge's log holds data of ${tenant}`);
}

function isRight(body: string, expected: Expectation): boolean {
  const content = jsonContent(body);
  if (expected.kind === "holds") return expected.holds(content);
  const answer = answerSchema.safeParse(content);
  return answer.success && isDeepStrictEqual(answer.data.outputs, expected.outputs);
}

/** The marker where it stands for itself: not as a part of a longer word or number. */
function wordPattern(marker: string): RegExp {
  const literal = marker.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  return new RegExp(`(?<![\\w.])${literal}(?![\\w.])`);
}

const MOST_SHOWN = 200;

function shown(text: string): string {
  return text.length <= MOST_SHOWN ? text : `${text.slice(0, MOST_SHOWN)}... (${text.length} characters)`;
}
