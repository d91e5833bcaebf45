/** The pool's replies, as far as the command line reads them; what is beyond is let through. */
import { z } from "zod";
import { DATATYPES } from "../../../shared/protocol/datatype.ts";
import { NODE_PATH, poolNodeSchema } from "../../../shared/protocol/pool-node.ts";
import type { PoolRequest } from "./pool-client.ts";

const indexEntry = z.looseObject({ name: z.string(), version: z.string(), state: z.string(), reason: z.string() });
export type IndexEntry = z.infer<typeof indexEntry>;
export const indexReply = z.array(indexEntry);
export const INDEX: PoolRequest = { method: "POST", path: ["v2", "repository", "index"] };

export const nodeReply = poolNodeSchema;
export const NODE: PoolRequest = { path: NODE_PATH.slice(1).split("/") };

const tensors = z.array(z.looseObject({ name: z.string(), datatype: z.enum(DATATYPES), shape: z.array(z.int()) }));
export const metadataReply = z.looseObject({
  name: z.string(),
  versions: z.array(z.string()),
  inputs: tensors,
  outputs: tensors,
});
export type MetadataReply = z.infer<typeof metadataReply>;

export const configReply = z.looseObject({
  platform: z.string(),
  max_batch_size: z.int(),
  instance_group: z.array(z.looseObject({ count: z.int() })),
  parameters: z.record(z.string(), z.looseObject({ string_value: z.string() })),
  /** Of an ensemble. */
  ensemble_scheduling: z
    .looseObject({
      step: z.array(z.looseObject({ model_name: z.string(), model_version: z.int(), digest: z.string() })),
    })
    .optional(),
});
export type ConfigReply = z.infer<typeof configReply>;

const duration = z.looseObject({ count: z.number(), ns: z.number() });
const statistics = z.looseObject({
  name: z.string(),
  version: z.string(),
  /** Milliseconds since 1970; 0: none yet. */
  last_inference: z.number(),
  inference_count: z.number(),
  execution_count: z.number(),
  inference_stats: z.looseObject({ success: duration, fail: duration, queue: duration, compute_infer: duration }),
  memory_usage: z.array(z.looseObject({ byte_size: z.number() })),
});
export type StatisticsReply = z.infer<typeof statistics>;
export const statisticsReply = z.looseObject({ model_stats: z.array(statistics) });
export const ALL_STATISTICS: PoolRequest = { path: ["v2", "models", "stats"] };

/** In bytes; undefined where the pool says nothing of it. */
export function memoryOf({ memory_usage }: StatisticsReply): number | undefined {
  return memory_usage.length === 0 ? undefined : memory_usage.reduce((sum, { byte_size }) => sum + byte_size, 0);
}
