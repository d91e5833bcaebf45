/**
 * Holds an ensemble against its members: which step waits for which, what callers send and are answered.
 *
 * Promises: steps are planned in an order in which each comes after those whose tensors it reads; what is refused is
 * refused with everything that is wrong with it, as far as it can be told of members that are not ready.
 */
import { quoted } from "../../shared/protocol/envelope.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { shapeText } from "../../shared/protocol/shape.ts";
import type { ModelSignature, TensorSpec } from "../../shared/protocol/tensor.ts";
import { findCycle } from "./cycle.ts";
import type { EnsembleJson } from "./ensemble-schema.ts";

/** What is known of a version that a step names. */
export type Member =
  | {
      readonly ready: true;
      /** What its callers send and are answered. */
      readonly signature: ModelSignature;
      /** Rows that may run together; 0 when requests run alone. */
      readonly maxBatch: number;
      readonly deterministic: boolean;
    }
  | { readonly ready: false; readonly reason: string };

export interface PlannedStep {
  readonly model: string;
  readonly version: string;
  /** Tensor of the model, tensor of the ensemble. */
  readonly inputs: readonly (readonly [own: string, tensor: string])[];
  readonly outputs: readonly (readonly [own: string, tensor: string])[];
}

export interface PlannedEnsemble {
  readonly signature: ModelSignature;
  /** Rows that every step may take together; 0 when requests run alone, or rows do not stay rows. */
  readonly maxBatch: number;
  /** Each behind those whose tensors it reads. */
  readonly steps: readonly PlannedStep[];
}

/** A step, what messages call it, and what is known of its model. */
interface Site extends PlannedStep {
  readonly label: string;
  readonly member: Member;
}

/**
 * @param name of the ensemble itself
 * @param deterministic whether its model.json says that equal inputs have equal answers
 * @throws WarmgateError `model_rejected` naming everything that is wrong
 */
export function planEnsemble(
  { name, deterministic }: { readonly name: string; readonly deterministic: boolean },
  json: EnsembleJson,
  look: (model: string, version: string) => Member,
): PlannedEnsemble {
  const faults: string[] = [];
  const sites = json.steps.map((step, index): Site => {
    const { model, version, inputs, outputs } = step;
    const label = `steps[${index}] (${model}/${version})`;
    const itself: Member = { ready: false, reason: "is this ensemble itself" };
    const member = model === name ? itself : look(model, version);
    return { label, model, version, member, inputs: Object.entries(inputs), outputs: Object.entries(outputs) };
  });
  for (const { label, member } of sites) if (!member.ready) faults.push(`${label} ${member.reason}`);
  faults.push(...twice("inputs", json.inputs), ...twice("outputs", json.outputs.map(named)));
  for (const site of sites) faults.push(...mappingFaults(site));
  const makers = findMakers(json, sites, faults);
  const needs = sites.map(({ inputs }) => [...new Set(inputs.flatMap(([, tensor]) => makers.get(tensor) ?? []))]);
  faults.push(...flowFaults(json, sites, makers));
  const cycle = findCycle(needs);
  if (cycle) {
    const repeated = (model: string) => sites.filter((site) => site.model === model).length > 1;
    const nameOf = ({ model, label }: Site) => (repeated(model) ? label : model);
    const names = cycle.toReversed().map((step) => sites.slice(step, step + 1).map(nameOf));
    faults.push(`its steps go in a circle: ${names.join(" -> ")}`);
  } else faults.push(...unusedSteps(json, sites, needs, makers));
  faults.push(...typeFaults(json, sites));
  if (deterministic) {
    for (const { label, member } of sites) {
      if (!member.ready || member.deterministic) continue;
      faults.push(`it is declared deterministic, but ${label} is not`);
    }
  }
  if (faults.length > 0) {
    throw new WarmgateError("model_rejected", `the ensemble of model.json does not fit: ${faults.join("; ")}`);
  }
  const steps = inOrder(needs).flatMap((step) => sites.slice(step, step + 1));
  const types = typesOf(json, sites);
  const outputs = json.outputs.flatMap((output) => types.get(output) ?? []);
  return {
    signature: { inputs: json.inputs, outputs },
    maxBatch: largestBatch(json, sites),
    steps: steps.map(({ model, version, inputs, outputs }) => ({ model, version, inputs, outputs })),
  };
}

/** Rows stay rows where every member batches and every input has them. */
function largestBatch(json: EnsembleJson, sites: readonly Site[]): number {
  if (json.inputs.some(({ shape }) => shape[0] !== -1)) return 0;
  return Math.min(...sites.map(({ member }) => (member.ready ? member.maxBatch : 0)));
}

function named(name: string): { readonly name: string } {
  return { name };
}

function twice(list: string, entries: readonly { readonly name: string }[]): string[] {
  const names = entries.map(({ name }) => name);
  const repeated = names.filter((name, index) => names.indexOf(name) < index);
  return [...new Set(repeated)].map((name) => `${list}: ${quoted(name)} is there twice`);
}

/** What a step's maps and its model's signature disagree on. */
function mappingFaults({ label, member, inputs, outputs }: Site): string[] {
  if (!member.ready) return [];
  const { signature } = member;
  const faults: string[] = [];
  const unknown = (side: "input" | "output", specs: readonly TensorSpec[], own: string) => {
    if (specs.some((spec) => spec.name === own)) return;
    faults.push(`${label} has no ${side} ${quoted(own)}: it has ${specs.map(({ name }) => quoted(name)).join(", ")}`);
  };
  for (const [own] of inputs) unknown("input", signature.inputs, own);
  for (const [own] of outputs) unknown("output", signature.outputs, own);
  for (const { name } of signature.inputs) {
    if (!inputs.some(([own]) => own === name)) faults.push(`${label} is not given its input ${quoted(name)}`);
  }
  return faults;
}

/** Which step makes each tensor that is no input. */
function findMakers(json: EnsembleJson, sites: readonly Site[], faults: string[]): ReadonlyMap<string, number> {
  const makers = new Map<string, number>();
  for (const [step, { label, outputs }] of sites.entries()) {
    for (const [, tensor] of outputs) {
      const other = makers.get(tensor);
      const by = other === undefined ? undefined : sites[other]?.label;
      if (json.inputs.some(({ name }) => name === tensor)) faults.push(`${label} makes ${quoted(tensor)}, an input`);
      else if (by !== undefined) faults.push(`${label} makes ${quoted(tensor)}, which ${by} makes already`);
      else makers.set(tensor, step);
    }
  }
  return makers;
}

/** Tensors that are read and never there, and inputs that are never read. */
function flowFaults(json: EnsembleJson, sites: readonly Site[], makers: ReadonlyMap<string, number>): string[] {
  const faults: string[] = [];
  const isInput = (tensor: string) => json.inputs.some(({ name }) => name === tensor);
  for (const { label, inputs } of sites) {
    for (const [, tensor] of inputs) {
      if (!isInput(tensor) && !makers.has(tensor)) faults.push(`${label} reads ${quoted(tensor)}, which nothing makes`);
    }
  }
  for (const output of new Set(json.outputs)) {
    if (!makers.has(output)) faults.push(`outputs: ${quoted(output)} is made by no step`);
  }
  for (const name of new Set(json.inputs.map((input) => input.name))) {
    const isRead = sites.some(({ inputs }) => inputs.some(([, tensor]) => tensor === name));
    if (!isRead) faults.push(`inputs: ${quoted(name)} is read by no step`);
  }
  return faults;
}

/** Steps that no output comes from, not even by way of others: they would cost their time at every request for nothing. */
function unusedSteps(
  { outputs }: EnsembleJson,
  sites: readonly Site[],
  needs: readonly (readonly number[])[],
  makers: ReadonlyMap<string, number>,
): string[] {
  const used = new Set(outputs.flatMap((output) => makers.get(output) ?? []));
  // A set goes on with what is added while it is gone through.
  for (const step of used) for (const before of needs[step] ?? []) used.add(before);
  return sites.flatMap(({ label }, step) => (used.has(step) ? [] : [`${label} is not used: no output comes from it`]));
}

/** What each tensor is, as far as it can be told: inputs as declared, the others as their makers give them. */
function typesOf(json: EnsembleJson, sites: readonly Site[]): ReadonlyMap<string, TensorSpec> {
  const types = new Map<string, TensorSpec>(json.inputs.map((spec) => [spec.name, spec]));
  for (const { member, outputs } of sites) {
    for (const [own, tensor] of member.ready ? outputs : []) {
      const spec = member.ready && member.signature.outputs.find(({ name }) => name === own);
      if (spec && !types.has(tensor)) types.set(tensor, { ...spec, name: tensor });
    }
  }
  return types;
}

function typeFaults(json: EnsembleJson, sites: readonly Site[]): string[] {
  const types = typesOf(json, sites);
  return sites.flatMap(({ label, member, inputs }) =>
    inputs.flatMap(([own, tensor]) => {
      const given = types.get(tensor);
      const taken = member.ready && member.signature.inputs.find(({ name }) => name === own);
      if (!given || !taken) return [];
      const isDeclared = json.inputs.some(({ name }) => name === tensor);
      const fits = isDeclared ? promises(given, taken) : mayFit(given, taken);
      if (fits) return [];
      const what = (spec: TensorSpec) => `${spec.datatype} ${shapeText(spec.shape)}`;
      return [`${label} takes ${quoted(own)} as ${what(taken)}, but ${quoted(tensor)} is ${what(given)}`];
    }),
  );
}

/** Whether whatever a declared input lets through is taken: a caller must not be refused for what was declared. */
function promises(given: TensorSpec, taken: TensorSpec): boolean {
  return (
    given.datatype === taken.datatype &&
    given.shape.length === taken.shape.length &&
    taken.shape.every((size, axis) => size === -1 || size === given.shape[axis])
  );
}

/** Sizes that vary are held against each other when they are there. A rank of 0 may be one that the file leaves open. */
function mayFit(given: TensorSpec, taken: TensorSpec): boolean {
  if (given.datatype !== taken.datatype) return false;
  if (given.shape.length === 0) return true;
  return (
    given.shape.length === taken.shape.length &&
    taken.shape.every((size, axis) => size === -1 || given.shape[axis] === -1 || size === given.shape[axis])
  );
}

/** @param needs for each step, those that come before it; without a cycle */
function inOrder(needs: readonly (readonly number[])[]): readonly number[] {
  const ordered = new Set<number>();
  const place = (step: number): void => {
    for (const before of needs[step] ?? []) if (!ordered.has(before)) place(before);
    ordered.add(step);
  };
  for (const step of needs.keys()) if (!ordered.has(step)) place(step);
  return [...ordered];
}
