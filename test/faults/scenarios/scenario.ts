/** What a scenario is and what it tells: figures against targets, and what of the invariants was broken. */
import type { ClientRecord } from "../pieces/client-record.ts";
import { toldIn } from "../pieces/told.ts";

export interface Figure {
  readonly label: string;
  readonly measured: string;
  readonly target: string;
  readonly met: boolean;
}

export interface ScenarioResult {
  readonly figures: readonly Figure[];
  /** In words; empty when nothing was broken. */
  readonly broken: readonly string[];
}

/** What every scenario is told beside what is its own. */
export interface ScenarioSettings {
  readonly seed: number;
  /** Told how it goes, a line at a time. */
  readonly tell: (line: string) => void;
}

export interface Bound {
  readonly unit?: string;
  readonly digits?: number;
  /** The value is to be this at least, or at most. */
  readonly least?: number;
  readonly most?: number;
}

/** A value, and whether it is within its bound. */
export function figure(label: string, value: number, { unit = "", digits = 2, least, most }: Bound): Figure {
  const text = (number: number) => `${number.toFixed(digits)}${unit === "" ? "" : ` ${unit}`}`;
  const targets = [least === undefined ? [] : [`>= ${text(least)}`], most === undefined ? [] : [`<= ${text(most)}`]];
  const met = value >= (least ?? Number.NEGATIVE_INFINITY) && value <= (most ?? Number.POSITIVE_INFINITY);
  return { label, measured: text(value), target: targets.flat().join(", "), met };
}

/** Whether a request was answered, not refused, before its deadline. Whether rightly is for the invariants. */
export function isAnsweredInTime({ outcome, sentAt, deadlineMs }: ClientRecord): boolean {
  return outcome.kind === "answered" && outcome.status === 200 && outcome.answeredAt - sentAt <= deadlineMs;
}

/** How long each took that was answered, in milliseconds and in order. */
export function answeredMs(records: readonly ClientRecord[]): number[] {
  return tookMs(records, "200");
}

/** The same of each that was refused; one whose time ran out was not. */
export function refusedMs(records: readonly ClientRecord[]): number[] {
  return tookMs(
    records.filter((record) => toldIn(record) !== "504 deadline_exceeded"),
    "others",
  );
}

function tookMs(records: readonly ClientRecord[], which: "200" | "others"): number[] {
  const times = records.flatMap(({ outcome, sentAt }) =>
    outcome.kind === "answered" && (outcome.status === 200) === (which === "200") ? [outcome.answeredAt - sentAt] : [],
  );
  return times.toSorted((one, other) => one - other);
}

/** @param sorted ascending @returns 0 where there is none */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
