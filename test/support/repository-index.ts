import { z } from "zod";
import { post } from "./inference-call.ts";

const indexSchema = z.array(z.object({ name: z.string(), state: z.string(), reason: z.string() }));

/** State and reason of a model with one version, as the pool's index has them: `READY`, or `UNAVAILABLE unloaded`. */
export async function stateOf(pool: { readonly url: string }, model: string): Promise<string> {
  const { body } = await post(`${pool.url}/v2/repository/index`, {});
  const entry = indexSchema.parse(JSON.parse(body.toString())).find(({ name }) => name === model);
  return `${entry?.state} ${entry?.reason}`.trim();
}
