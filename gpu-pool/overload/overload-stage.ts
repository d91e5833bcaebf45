/**
 * When the process itself runs short, it gives up the least useful things first. The stages, each with what the ones
 * before it do as well:
 *
 *     normal          everything
 *     lean            optional work is off: replies are not compressed
 *     closing         replies end their connections
 *     shed_sheddable  the classes `sheddable` and `batch` are refused
 *     critical_only   every class but `critical` is refused
 *     refusing        inference is refused at its headers, before a body is read
 *
 * As in Envoy's overload manager, each resource has a threshold for each stage and the worst resource decides.
 * Promises: a stage is taken at the first sample that asks for it, and left one stage at a time, after `CALM_SAMPLES`
 * samples in a row that ask for less. So readings that stay as they are never move the stage after the first sample
 * that raises it, and from the worst stage it is `5 * CALM_SAMPLES` calm samples to normal (3.75 s at 250 ms a sample).
 */
import type { PriorityClass } from "../../shared/protocol/priority.ts";

/** From the least to the most severe. */
export const OVERLOAD_STAGES = ["normal", "lean", "closing", "shed_sheddable", "critical_only", "refusing"] as const;
export type OverloadStage = (typeof OVERLOAD_STAGES)[number];

/** One sample. What cannot be read on a system is 0. */
export interface OverloadReadings {
  /** How late the event loop runs what is due, in milliseconds. */
  readonly eventLoopMs: number;
  /** Resident memory as a share of what the process may have. */
  readonly memoryShare: number;
  /** Open file descriptors as a share of the process's limit. */
  readonly descriptorShare: number;
}

type Resource = keyof OverloadReadings;

/** The reading from which each stage after `normal` is taken, in their order. */
const THRESHOLDS: Readonly<Record<Resource, readonly [number, number, number, number, number]>> = {
  /*
   * At its highest rate the pool has shown 10 ms with 128 connections and 35 ms with 512, and it must stay at that rate:
   * so three times as much before anything changes. At 300 ms the loop alone eats what a person notices; at a second,
   * what is waiting cannot be told from what has been given up, and reading more of it makes it worse.
   */
  eventLoopMs: [100, 200, 300, 500, 1_000],
  /*
   * Envoy ends connections at 92 % and refuses at 95 %. A body and what is parsed of it can take some percent within one
   * sample, so the steps before are wider. Resident memory counts the program's own files, some 85 MB that a container's
   * limit does not count so, which about makes up for the supervisor beside it.
   */
  memoryShare: [0.8, 0.85, 0.89, 0.92, 0.95],
  /*
   * Connections are what takes descriptors and their number is capped at 95 % of the limit less a reserve. Dropping unused
   * ones (from `closing`) is the cure and costs nobody anything, so it comes early; leaner replies do nothing here.
   */
  descriptorShare: [0.7, 0.7, 0.8, 0.87, 0.93],
};

/** Samples in a row that must ask for less before one stage is left. */
export const CALM_SAMPLES = 3;

export interface OverloadState {
  readonly stage: OverloadStage;
  /** Samples in a row that have asked for less than this stage. */
  readonly calmSamples: number;
}

export const NO_OVERLOAD: OverloadState = { stage: "normal", calmSamples: 0 };

/** The state after one more sample. */
export function next(state: OverloadState, readings: OverloadReadings): OverloadState {
  const now = severity(state.stage);
  const asked = severityOf(readings);
  if (asked >= now) return { stage: stageAt(asked), calmSamples: 0 };
  const calmSamples = state.calmSamples + 1;
  return calmSamples < CALM_SAMPLES ? { ...state, calmSamples } : { stage: stageAt(now - 1), calmSamples: 0 };
}

/** The resource whose reading asks for the most severe stage; undefined when none asks for any. */
export function scarcest(readings: OverloadReadings): Resource | undefined {
  const worst = severityOf(readings);
  return worst === 0 ? undefined : RESOURCES.find((resource) => severityOfOne(resource, readings) === worst);
}

/** How far a stage is from normal: 0 to 5. */
export function severity(stage: OverloadStage): number {
  return OVERLOAD_STAGES.indexOf(stage);
}

/** The stage from which a class is refused. */
const REFUSED_FROM: Readonly<Record<PriorityClass, OverloadStage>> = {
  critical: "refusing",
  default: "critical_only",
  sheddable: "shed_sheddable",
  batch: "shed_sheddable",
};

export function admits(stage: OverloadStage, priority: PriorityClass): boolean {
  return stagesUntilAdmitted(stage, priority) === 0;
}

/** How many stages must be left before the class is admitted; 0 when it is. */
export function stagesUntilAdmitted(stage: OverloadStage, priority: PriorityClass): number {
  return Math.max(0, severity(stage) - severity(REFUSED_FROM[priority]) + 1);
}

const RESOURCES: readonly Resource[] = ["memoryShare", "descriptorShare", "eventLoopMs"];

function severityOf(readings: OverloadReadings): number {
  return Math.max(...RESOURCES.map((resource) => severityOfOne(resource, readings)));
}

/** How severe a stage this one resource asks for. */
export function severityOfOne(resource: Resource, readings: OverloadReadings): number {
  const reading = readings[resource];
  return THRESHOLDS[resource].filter((threshold) => reading >= threshold).length;
}

function stageAt(index: number): OverloadStage {
  return OVERLOAD_STAGES[index] ?? "refusing";
}
