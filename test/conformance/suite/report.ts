/** Verdicts for people and for machines. */
import type { Reply } from "./http-exchange.ts";
import type { Verdict } from "./judge.ts";
import type { Level } from "./rule.ts";
import type { Exchange } from "./target.ts";

const LEVELS: readonly Level[] = ["MUST", "SHOULD", "EXTENSION"];
const SHOWN_BYTES = 400;
/** Request headers whose values are not shown. */
const SECRET = /^(authorization|cookie|x-api-key)$/i;

function shown(bytes: Buffer): string {
  const start = bytes.subarray(0, SHOWN_BYTES).toString("utf8");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: binary tensor data must not reach the terminal as it is
  const text = start.replace(/[\u0000-\u001f\u007f]/g, (character) => JSON.stringify(character).slice(1, -1));
  return bytes.length > SHOWN_BYTES ? `${text}… (${bytes.length} bytes)` : text;
}

function headerLines(headers: Readonly<Record<string, string>>): string[] {
  return Object.entries(headers).map(([name, value]) => `${name}: ${SECRET.test(name) ? "(hidden)" : value}`);
}

/** The request as lines, and the status, headers and body that came back. */
export function describe({ call, headers, reply }: Exchange): { request: string[]; reply: string[] } {
  const body = call.body === undefined || call.body.length === 0 ? [] : [shown(call.body)];
  const framing = call.chunks === undefined ? [] : [`(body in ${call.chunks} chunks)`];
  const request = [`${call.method} ${call.path.slice(0, 200)}`, ...headerLines(headers), ...framing, ...body];
  if (reply instanceof Error) return { request, reply: [`no reply: ${reply.message}`] };
  return { request, reply: [String(reply.status), ...headerLines(ofInterest(reply)), shown(reply.body)] };
}

function ofInterest({ headers }: Reply): Record<string, string> {
  const names = [
    "content-type",
    "content-length",
    "content-encoding",
    "inference-header-content-length",
    "retry-after",
  ];
  return Object.fromEntries(names.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));
}

/** One verdict as lines of a table; a failure brings its exchange. */
export function verdictLines(verdict: Verdict): string {
  const { rule, outcome } = verdict;
  const head = `${outcome.padEnd(4)}  ${rule.level.padEnd(9)}  ${rule.id.padEnd(44)}  ${rule.says}`;
  if (verdict.outcome === "pass") return head;
  if (verdict.outcome === "skip") return `${head}\n${" ".repeat(17)}(${verdict.reason})`;
  const indented = (lines: readonly string[], mark: string): string[] =>
    lines.map((line, index) => `${" ".repeat(17)}${index === 0 ? mark : "  "}${line}`);
  const said = verdict.last === undefined ? undefined : describe(verdict.last);
  return [
    head,
    `${" ".repeat(17)}${verdict.reason}`,
    `${" ".repeat(17)}source: ${rule.source}`,
    ...(said === undefined ? [] : [...indented(said.request, "> "), ...indented(said.reply, "< ")]),
  ].join("\n");
}

export interface Tally {
  readonly level: Level;
  readonly pass: number;
  readonly fail: number;
  readonly skip: number;
}

export function tally(verdicts: readonly Verdict[]): readonly Tally[] {
  return LEVELS.map((level) => {
    const count = (outcome: Verdict["outcome"]): number =>
      verdicts.filter((verdict) => verdict.rule.level === level && verdict.outcome === outcome).length;
    return { level, pass: count("pass"), fail: count("fail"), skip: count("skip") };
  });
}

export function summary(verdicts: readonly Verdict[]): string {
  const row = (cells: readonly (string | number)[]): string =>
    cells.map((cell, index) => (index === 0 ? String(cell).padEnd(10) : String(cell).padStart(6))).join("");
  const rows = tally(verdicts).map(({ level, pass, fail, skip }) => row([level, pass, fail, skip]));
  return [row(["level", "pass", "fail", "skip"]), ...rows].join("\n");
}

/** The whole run as one JSON document. */
export function machineReadable(url: string, verdicts: readonly Verdict[]): string {
  const results = verdicts.map((verdict) => {
    const { id, level, says, source } = verdict.rule;
    const base = { id, level, says, source, outcome: verdict.outcome };
    if (verdict.outcome === "pass") return base;
    if (verdict.outcome === "skip") return { ...base, reason: verdict.reason };
    return { ...base, reason: verdict.reason, ...(verdict.last === undefined ? {} : describe(verdict.last)) };
  });
  return JSON.stringify({ url, summary: tally(verdicts), results }, null, 2);
}
