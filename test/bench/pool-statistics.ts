import { z } from "zod";

const schema = z.object({
  model_stats: z.tuple([
    z.object({
      inference_count: z.number(),
      execution_count: z.number(),
      batch_stats: z.array(z.object({ compute_infer: z.object({ ns: z.number() }) })),
      scheduling: z.object({
        admitted: z.number(),
        expired: z.number(),
        late: z.number(),
        deadWork: z.number(),
      }),
    }),
  ]),
});

/** What the pool has done for the model `bench` so far. */
export interface PoolStatistics {
  readonly rows: number;
  readonly batches: number;
  /** Inside ONNX Runtime. */
  readonly computeMs: number;
  readonly admitted: number;
  /** Admitted, and not finished in time. */
  readonly missed: number;
  readonly deadWork: number;
}

export async function poolStatistics(port: number): Promise<PoolStatistics> {
  const reply = await fetch(`http://127.0.0.1:${port}/v2/models/bench/stats`);
  const [stats] = schema.parse(await reply.json()).model_stats;
  const { admitted, expired, late, deadWork } = stats.scheduling;
  return {
    rows: stats.inference_count,
    batches: stats.execution_count,
    computeMs: stats.batch_stats.reduce((sum, { compute_infer }) => sum + compute_infer.ns, 0) / 1e6,
    admitted,
    missed: expired + late,
    deadWork,
  };
}

export function since(before: PoolStatistics, after: PoolStatistics): PoolStatistics {
  return {
    rows: after.rows - before.rows,
    batches: after.batches - before.batches,
    computeMs: after.computeMs - before.computeMs,
    admitted: after.admitted - before.admitted,
    missed: after.missed - before.missed,
    deadWork: after.deadWork - before.deadWork,
  };
}
