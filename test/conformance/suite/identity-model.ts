/** Identity models, one a datatype: what goes in must come out. */
import type { TensorMetadata } from "./documents.ts";
import type { Reply } from "./http-exchange.ts";
import type { InferenceCall, InputTensor } from "./inference.ts";
import { NotApplicable } from "./rule.ts";
import { infer } from "./simple-model.ts";
import type { Target } from "./target.ts";

export interface Identity {
  readonly model: string;
  readonly input: TensorMetadata;
  readonly output: TensorMetadata;
}

/** The target's identity model of a datatype with a free number of columns; NotApplicable if it has none. */
export async function identityOf(target: Target, datatype: string): Promise<Identity> {
  const prefix = target.options.identityPrefix;
  const names = datatype === "BYTES" ? [`${prefix}string`, `${prefix}bytes`] : [`${prefix}${datatype.toLowerCase()}`];
  for (const model of names) {
    const { inputs, outputs } = await target.require(model).catch((error: unknown) => {
      if (error instanceof NotApplicable && model !== names.at(-1)) return { inputs: [], outputs: [] };
      throw error;
    });
    const [input, output] = [inputs[0], outputs[0]];
    if (input?.datatype === datatype && output !== undefined) return { model, input, output };
  }
  throw new NotApplicable(`the target's identity model of ${datatype} has another signature`);
}

export type Content = Pick<InputTensor, "data"> | Pick<InputTensor, "bytes">;

/** Sends one row (or `shape`) through the identity model. */
export function through(
  target: Target,
  identity: Identity,
  shape: readonly number[],
  content: Content,
  rest: Omit<InferenceCall, "inputs"> = {},
): Promise<Reply> {
  const { name, datatype } = identity.input;
  return infer(target, identity.model, { ...rest, inputs: [{ name, shape, datatype, ...content }] });
}
