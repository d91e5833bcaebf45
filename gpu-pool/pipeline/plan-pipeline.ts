/**
 * Holds a pipeline against its model when it is loaded: each step is given the tensors that are there before it and says
 * which are there after it, up to what the model takes, and from what it gives.
 */
import { quoted } from "../../shared/protocol/envelope.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { shapeText } from "../../shared/protocol/shape.ts";
import type { ModelSignature, TensorSpec } from "../../shared/protocol/tensor.ts";
import type { ImageDecoder } from "./image-decoder.ts";
import type { PipelineJson, StepSettings } from "./pipeline-schema.ts";
import { planStep } from "./plan-step.ts";
import type { Plan, Site, TensorType } from "./step.ts";

/** What a pipeline is planned with. */
export interface PlanningMaterial {
  /** What the model itself takes and gives. */
  readonly model: ModelSignature;
  /** Whether the model's requests run together. */
  readonly batched: boolean;
  /** The texts of the files that the steps name. */
  readonly texts: ReadonlyMap<string, string>;
  readonly images: ImageDecoder | undefined;
}

export interface PlannedPipeline {
  /** What callers send and are answered. */
  readonly signature: ModelSignature;
  readonly before: readonly Plan[];
  readonly after: readonly Plan[];
}

/** The tensors that are there at one point; one whose type could not be found out is there as undefined. */
type Present = Map<string, TensorType | undefined>;

/** @throws WarmgateError `model_rejected` naming everything that is wrong, each by its step and field */
export function planPipeline(json: PipelineJson, material: PlanningMaterial): PlannedPipeline {
  const { model } = material;
  const faults: string[] = [];
  const open = openInputs(json, model, faults);
  const present: Present = new Map(open.map((spec) => [spec.name, spec]));
  const before = planSteps("before", json.before, present, material, faults);
  const passed = fitToModel(present, open, model, faults);
  const outputs: Present = new Map(model.outputs.map((spec) => [spec.name, spec]));
  const after = planSteps("after", json.after, outputs, material, faults);
  if (faults.length > 0) {
    throw new WarmgateError("model_rejected", `the pipeline of model.json does not fit: ${faults.join("; ")}`);
  }
  return { signature: { inputs: [...open, ...passed], outputs: specsOf(outputs) }, before, after };
}

/** What callers send to steps: what is declared, and what can only be BYTES [-1]. */
function openInputs({ inputs, before }: PipelineJson, model: ModelSignature, faults: string[]): TensorSpec[] {
  const open: TensorSpec[] = [...inputs];
  if (new Set(open.map(({ name }) => name)).size < open.length) faults.push("inputs: a name is there twice");
  const rows = new Set(model.inputs.map(({ shape }) => shape[0] ?? -1));
  const [fixed = -1] = rows;
  const made = new Set<string>();
  for (const step of before) {
    if (step.step === "decodeImage" || step.step === "tokenise") {
      const known = made.has(step.input) || open.some(({ name }) => name === step.input);
      // A model that is made for a fixed number of rows takes that many pictures.
      if (!known) open.push({ name: step.input, datatype: "BYTES", shape: [rows.size === 1 ? fixed : -1] });
    }
    if (step.step === "rename") made.add(step.to);
  }
  return open;
}

function planSteps(
  stage: "before" | "after",
  steps: readonly StepSettings[],
  present: Present,
  { batched, texts, images }: PlanningMaterial,
  faults: string[],
): Plan[] {
  const missing = new Set<string>();
  return steps.map((settings, index) => {
    const label = `${stage}[${index}] (${settings.step})`;
    const fault: Site["fault"] = (field, what) => faults.push(`${label}.${field} ${what}`);
    const site: Site = {
      batched,
      images,
      fault,
      typeOf(field, name) {
        if (!present.has(name) && !missing.has(name)) {
          missing.add(name);
          const there = [...present.keys()].map(quoted).join(", ");
          fault(field, `is ${quoted(name)}, which is not there: there are ${there || "no tensors"}`);
        }
        return present.get(name);
      },
      textOf: (_field, file) => texts.get(file),
    };
    const there = [...present.keys()];
    const plan = planStep(settings, site, there);
    for (const name of plan.removes) present.delete(name);
    for (const { name, type } of plan.writes) {
      const inPlace = plan.reads.includes(name);
      if (inPlace && !there.includes(name)) continue;
      if (present.has(name) && !inPlace) faults.push(`${label} makes ${quoted(name)}, which is there already`);
      present.set(name, type);
    }
    return plan;
  });
}

/** @returns the model's inputs that no step makes: callers send them as the model takes them */
function fitToModel(
  present: Present,
  open: readonly TensorSpec[],
  model: ModelSignature,
  faults: string[],
): TensorSpec[] {
  const passed: TensorSpec[] = [];
  for (const spec of model.inputs) {
    const { name } = spec;
    if (!present.has(name)) {
      if (open.some((input) => input.name === name))
        faults.push(`before: nothing makes the model's input ${quoted(name)}`);
      else passed.push(spec);
      continue;
    }
    const type = present.get(name);
    if (type && !fits(type, spec)) {
      const takes = `${spec.datatype} ${shapeText(spec.shape)}`;
      faults.push(
        `before: ${quoted(name)} becomes ${type.datatype} ${shapeText(type.shape)}, but the model takes ${takes}`,
      );
    }
  }
  for (const name of present.keys()) {
    if (model.inputs.some((spec) => spec.name === name)) continue;
    faults.push(`before: ${quoted(name)} is made, but the model takes no such input`);
  }
  return passed;
}

/** Sizes that vary are held against each other when a request comes. */
function fits(type: TensorType, spec: TensorSpec): boolean {
  return (
    type.datatype === spec.datatype &&
    type.shape.length === spec.shape.length &&
    type.shape.every((size, axis) => size === -1 || spec.shape[axis] === -1 || size === spec.shape[axis])
  );
}

function specsOf(present: Present): TensorSpec[] {
  return [...present].flatMap(([name, type]) => (type ? [{ name, datatype: type.datatype, shape: type.shape }] : []));
}
