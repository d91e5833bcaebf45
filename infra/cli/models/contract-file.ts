import { readFile } from "node:fs/promises";
import { modelSignatureSchema } from "../../../shared/protocol/model-signature.ts";
import type { ModelSignature } from "../../../shared/protocol/tensor.ts";
import { UsageError } from "../usage-error.ts";

/**
 * What callers were given, as a route's contract has it under `signature`:
 *
 *     { "inputs": [{ "name": "pixels", "datatype": "FP32", "shape": [-1, 64] }], "outputs": [...] }
 *
 * @throws UsageError
 */
export async function readContract(file: string): Promise<ModelSignature> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, "utf8"));
  } catch {
    throw new UsageError(`${file} cannot be read as JSON.`);
  }
  const parsed = modelSignatureSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UsageError(`${file} is no signature: ${issue?.path.join(".") || "it"}: ${issue?.message}.`);
}
