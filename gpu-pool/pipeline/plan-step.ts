import { planSigmoid, planSoftmax } from "./activations.ts";
import { planArgmax, planThreshold, planTopK } from "./decisions.ts";
import { planDecodeImage } from "./decode-image.ts";
import type { StepSettings } from "./pipeline-schema.ts";
import type { Plan, Site } from "./step.ts";
import { planCast, planNormalise, planReshape } from "./tensor-steps.ts";
import { planTokenise } from "./tokenise.ts";

/** @param present the names of all tensors that are there */
export function planStep(settings: StepSettings, site: Site, present: readonly string[]): Plan {
  switch (settings.step) {
    case "decodeImage":
      return planDecodeImage(settings, site);
    case "tokenise":
      return planTokenise(settings, site);
    case "normalise":
      return planNormalise(settings, site);
    case "cast":
      return planCast(settings, site);
    case "reshape":
      return planReshape(settings, site);
    case "rename":
      return planRename(settings.tensor, settings.to, site);
    case "softmax":
      return planSoftmax(settings, site);
    case "sigmoid":
      return planSigmoid(settings, site);
    case "topK":
      return planTopK(settings, site);
    case "argmax":
      return planArgmax(settings, site);
    case "threshold":
      return planThreshold(settings, site);
    case "keep":
      return planKeep(settings.tensors, site, present);
  }
}

function planRename(from: string, to: string, site: Site): Plan {
  return {
    reads: [from],
    removes: [from],
    writes: [{ name: to, type: site.typeOf("tensor", from) }],
    run: (inputs) => inputs.map((tensor) => ({ ...tensor, name: to })),
  };
}

function planKeep(kept: readonly string[], site: Site, present: readonly string[]): Plan {
  for (const name of kept) site.typeOf("tensors", name);
  return { reads: [], removes: present.filter((name) => !kept.includes(name)), writes: [], run: () => [] };
}
