/**
 * What a client of a pool may be told, and when, while its serving process is ended again and again: a refusal or the end of a connection
 * while there is none, an answer in time otherwise, and never silence.
 */
import type { ClientRecord } from "../faults/pieces/client-record.ts";
import { toldIn } from "../faults/pieces/told.ts";

/** When a process was ended, and when the next one was ready, in milliseconds on the scale of the records. */
export interface Outage {
  readonly from: number;
  readonly to: number;
}

/** What came after a pool had said that it is ready. */
export interface ReadyWord {
  /** When it was asked, which is before it can have said so. */
  readonly askedAt: number;
  readonly request: ClientRecord;
}

/** That a pool said that it is not live, or not ready, or nothing at all. */
export interface Denial {
  readonly askedAt: number;
  readonly endedAt: number;
  readonly what: "live" | "ready";
}

/** How much later than its deadline a request may be told, in milliseconds. */
export const SLACK_MS = 50;
/** How long after it was ended a process may still say that it is ready: signals come to a process when its turn comes. */
const INSTANT_MS = 250;

/** What may be said: an answer, that there is nobody to give one for now, that the time was up. */
const CLEAR: ReadonlySet<number> = new Set([200, 503, 504]);
const CONNECTION_ENDED = /^(?:ECONNREFUSED|ECONNRESET|EPIPE)\b/;

/** Told at once, by the system, that nothing has become of it. */
export function isConnectionError({ outcome }: ClientRecord): boolean {
  return outcome.kind === "unanswered" && CONNECTION_ENDED.test(outcome.reason);
}

/** @returns of each request that failed without an outage, was told too late or not at all, a sentence */
export function brokenByOutages(records: readonly ClientRecord[], outages: readonly Outage[]): string[] {
  return records.flatMap((record) => {
    const { id, sentAt, deadlineMs, outcome } = record;
    if (outcome.kind === "unanswered" && !isConnectionError(record)) {
      return [`request ${id} was left hanging: ${outcome.reason}`];
    }
    const broken: string[] = [];
    const tookMs = endOf(record) - sentAt;
    if (outcome.kind === "unanswered" && tookMs > deadlineMs + SLACK_MS) {
      broken.push(`the connection of request ${id} ended after ${Math.round(tookMs)} ms, later than its deadline`);
    }
    if (!isAnswered(record) && !isInOutage(record, outages)) {
      broken.push(`request ${id} was told '${toldIn(record)}' while the process was up`);
    }
    if (outcome.kind === "answered" && !CLEAR.has(outcome.status)) {
      broken.push(`request ${id} was told '${toldIn(record)}', which is not that it should come again`);
    }
    return broken;
  });
}

/** @returns of each word that was not true, a sentence */
export function untrueReadiness(words: readonly ReadyWord[], outages: readonly Outage[]): string[] {
  return words
    .filter(({ askedAt, request }) => {
      const excused = outages.some(({ from }) => from >= askedAt - INSTANT_MS && from <= endOf(request));
      return !isAnswered(request) && !excused;
    })
    .map(({ request }) => `the pool said that it was ready, and request ${request.id} was told '${toldIn(request)}'`);
}

/** @returns of each word that there was no outage for, a sentence */
export function needlessDenials(denials: readonly Denial[], outages: readonly Outage[]): string[] {
  return denials
    .filter(({ askedAt, endedAt }) => !outages.some(({ from, to }) => from <= endedAt && askedAt <= to))
    .map(({ what, askedAt }) => `the pool was not ${what} at ${Math.round(askedAt)} ms, while its process was up`);
}

/** Whether there was no process for a part of the time that it took. */
export function isInOutage(record: ClientRecord, outages: readonly Outage[]): boolean {
  return outages.some(({ from, to }) => from <= endOf(record) && record.sentAt <= to);
}

export function isAnswered({ outcome }: ClientRecord): boolean {
  return outcome.kind === "answered" && outcome.status === 200;
}

/** When its client knew what has become of it. */
export function endOf({ outcome }: ClientRecord): number {
  return outcome.kind === "answered" ? outcome.answeredAt : outcome.endedAt;
}
