import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { PROJECT_ROOT } from "./state-folder.ts";

const metadataSchema = z.object({
  inputs: z.array(z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.number()) })),
});

/**
 * The body of a request that a model takes: a held-out image of a seven for the model that ships, zeros in the shape of
 * the signature for any other.
 */
export async function exampleRequest(edgeUrl: string, key: string, model: string): Promise<string> {
  if (model === "digits") {
    return (await readFile(join(PROJECT_ROOT, "gpu-pool/models/digits/examples/seven.json"), "utf8")).trim();
  }
  const reply = await fetch(`${edgeUrl}/v2/models/${model}`, { headers: { authorization: `Bearer ${key}` } });
  const { inputs } = metadataSchema.parse(await reply.json());
  return JSON.stringify({
    inputs: inputs.map(({ name, datatype, shape }) => {
      const size = shape.map((dimension) => (dimension === -1 ? 1 : dimension));
      const count = size.reduce((product, dimension) => product * dimension, 1);
      const blank = datatype === "BYTES" ? "" : datatype === "BOOL" ? false : 0;
      return { name, datatype, shape: size, data: Array(count).fill(blank) };
    }),
  });
}
