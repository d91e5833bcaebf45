/** Something for which a pool would not serve a model, or not all of it. */
export interface Fault {
  readonly model: string;
  /** Undefined: it is about the model as a whole. */
  readonly version: string | undefined;
  readonly check: "layout" | "model.json" | "manifest" | "external data" | "probe" | "pipeline" | "ensemble" | "load";
  readonly reason: string;
}

/** Texts of the pool's that list what is wrong, behind what they say first. */
const LIST =
  /^(?:model\.json is not valid|the pipeline of model\.json (?:does not fit|lacks files)|the ensemble of model\.json does not fit): (.+)$/s;

/** One text for each thing that is wrong. */
export function reasonsIn(message: string): readonly string[] {
  return LIST.exec(message)?.[1]?.split("; ") ?? [message];
}
