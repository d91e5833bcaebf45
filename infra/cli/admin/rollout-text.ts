/** A rollout in words. */
import { formatDuration } from "./duration-text.ts";
import { formatNumber } from "./number-text.ts";
import type { DecisionReply, FiguresReply, RolloutReply } from "./rollout-replies.ts";
import { formatMeasured, formatShare } from "./share-text.ts";
import { type Column, plain, properties, table, timeText } from "./table.ts";

/** Why a rollout waits; other reasons are a guard's name or who did it. */
const HOLD_REASONS: Readonly<Record<string, string>> = {
  suspicion: "a guard suspects it",
  no_data: "no data of late",
  requests: "too few requests yet",
  time: "too early yet",
};
const ROLES = ["stable", "candidate"] as const;
type Guards = RolloutReply["plan"]["guards"];

export function describeRollout(rollout: RolloutReply): string {
  const { id, route, contract, stable, candidate, plan, startedAt, figures } = rollout;
  const about = properties([
    ["rollout", id],
    ["route", `${route}, contract ${contract}`],
    ["versions", `${stable} -> ${candidate}`],
    ["state", rollout.state],
    ["traffic", `version ${candidate} has ${formatNumber(rollout.percentage)}%`],
    ["started", timeText(startedAt)],
    ["steps", plan.steps.map((step) => `${formatNumber(step)}%`).join(" ")],
    ["each step", `${formatDuration(plan.stepSeconds)} and ${formatNumber(plan.stepRequests)} requests at the least`],
    ["in this step", figures.stepSeconds === undefined ? "" : formatDuration(Math.floor(figures.stepSeconds))],
    [
      "shadows",
      plan.shadowShare === 0 ? "none" : `of ${formatShare(plan.shadowShare)} of version ${stable}'s requests`,
    ],
    ["compared", countText(figures.compared)],
    ["agree", shareText(figures.agreement)],
  ]);
  return [about, describeVersions(rollout), describeGuards(plan.guards, figures)].join("\n\n");
}

/** The last decisions of this rollout; the answer may hold those of the ones before it too. */
export function describeDecisions({ id, stable, candidate, decisions }: RolloutReply): string {
  const versions = { stable, candidate };
  return table<DecisionReply>(
    [
      { title: "AT", cell: ({ at }) => timeText(at) },
      { title: "DECISION", cell: ({ kind }) => kind },
      { title: "REASON", cell: reasonText },
      { title: "TRAFFIC", numeric: true, cell: ({ percentage }) => `${formatNumber(percentage)}%` },
      ...ofBoth("REQUESTS", versions, "Requests", countText),
      ...ofBoth("ERRORS", versions, "ErrorRate", shareText),
      ...ofBoth("P99 MS", versions, "P99Ms", formatMeasured),
      { title: "AGREE", numeric: true, cell: ({ figures }) => shareText(figures.agreement) },
    ],
    decisions.filter(({ rollout }) => rollout === id),
  );
}

/** A column for each version. @param figure its name behind `stable` and `candidate` */
function ofBoth(
  title: string,
  versions: Readonly<Record<(typeof ROLES)[number], string>>,
  figure: string,
  text: (value: number | undefined) => string,
): readonly Column<DecisionReply>[] {
  return ROLES.map((role) => ({
    title: plain(`${title} OF ${versions[role]}`),
    numeric: true,
    cell: ({ figures }) => text(figures[`${role}${figure}`]),
  }));
}

function describeVersions(rollout: RolloutReply): string {
  const { figures } = rollout;
  return table(
    [
      { title: "VERSION", cell: (role) => rollout[role] },
      { title: "REQUESTS", numeric: true, cell: (role) => countText(figures[`${role}Requests`]) },
      { title: "ERRORS", numeric: true, cell: (role) => shareText(figures[`${role}ErrorRate`]) },
      { title: "NOT FINITE", numeric: true, cell: (role) => shareText(figures[`${role}NonFiniteRate`]) },
      { title: "P50 MS", numeric: true, cell: (role) => formatMeasured(figures[`${role}P50Ms`]) },
      { title: "P99 MS", numeric: true, cell: (role) => formatMeasured(figures[`${role}P99Ms`]) },
    ],
    ROLES,
  );
}

/** The e-value says how much speaks against the candidate, over all steps: 1 is nothing, and chance makes it x in one of x rollouts. */
function describeGuards(guards: Guards, figures: FiguresReply): string {
  const { errorRatio, p99Ratio, agreement, nonFinite } = guards;
  const times = (ratio: number | null) => (ratio === null ? undefined : `${formatNumber(ratio)} times at the most`);
  const rows = [
    ["errorRatio", times(errorRatio)],
    ["p99Ratio", times(p99Ratio)],
    ["agreement", agreement === null ? undefined : `${formatShare(agreement)} at the least`],
    ["nonFinite", nonFinite ? "no more" : undefined],
  ] as const;
  return table(
    [
      { title: "GUARD", cell: ([guard]) => guard },
      { title: "ALLOWS", cell: ([, allows]) => allows ?? "off" },
      { title: "E-VALUE", numeric: true, cell: ([guard]) => formatMeasured(figures[`${guard}EValue`]) },
    ],
    rows,
  );
}

function reasonText({ kind, reason }: DecisionReply): string {
  return kind === "hold" && Object.hasOwn(HOLD_REASONS, reason) ? (HOLD_REASONS[reason] ?? "") : reason;
}

function countText(value: number | undefined): string {
  return value === undefined ? "" : formatNumber(value);
}

function shareText(value: number | undefined): string {
  return value === undefined ? "" : formatShare(value);
}
