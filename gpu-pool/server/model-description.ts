import { PRIORITY_CLASSES } from "../../shared/protocol/priority.ts";
import type { MemoryUse, ServedModel } from "../runtime/served-model.ts";
import type { Duration } from "../telemetry/inference-statistics.ts";

const PLATFORM = "onnxruntime_onnx";

/** Model metadata of the Open Inference Protocol. */
export function modelMetadata({ identity, signature }: ServedModel, versions: readonly string[]): unknown {
  const spec = ({ name, datatype, shape }: (typeof signature.inputs)[number]) => ({ name, datatype, shape });
  return {
    name: identity.name,
    versions,
    platform: PLATFORM,
    inputs: signature.inputs.map(spec),
    outputs: signature.outputs.map(spec),
  };
}

/** Model configuration in the shape that Triton's clients and perf_analyzer read: `dims` leave the batch dimension out. */
export function modelConfig({ identity, signature, maxBatch, instanceCount, policy }: ServedModel): unknown {
  const spec = ({ name, datatype, shape }: (typeof signature.inputs)[number]) => ({
    name,
    data_type: datatype === "BYTES" ? "TYPE_STRING" : `TYPE_${datatype}`,
    dims: maxBatch > 0 ? shape.slice(1) : shape,
  });
  return {
    name: identity.name,
    platform: PLATFORM,
    backend: "onnxruntime",
    max_batch_size: maxBatch,
    input: signature.inputs.map(spec),
    output: signature.outputs.map(spec),
    dynamic_batching:
      maxBatch > 0
        ? {
            max_queue_delay_microseconds: policy.maxDelayMs * 1000,
            priority_levels: PRIORITY_CLASSES.length,
            default_priority_level: PRIORITY_CLASSES.indexOf("default") + 1,
          }
        : undefined,
    instance_group: [{ kind: identity.provider === "cuda" ? "KIND_GPU" : "KIND_CPU", count: instanceCount }],
    response_cache: { enable: false },
    model_transaction_policy: { decoupled: false },
    parameters: {
      digest: { string_value: identity.digest },
      provider: { string_value: identity.provider },
      deterministic: { string_value: String(identity.deterministic) },
      description: { string_value: identity.description },
    },
  };
}

/** One entry of `model_stats` of the statistics extension. Copying to and from the device is part of compute_infer. */
export function modelStatistics({ identity, statistics: own, costs, lane, memory }: ServedModel, now: number): unknown {
  const none: Duration = { count: 0, ns: 0 };
  const untimed = { count: own.compute.count, ns: 0 };
  return {
    name: identity.name,
    version: identity.version,
    last_inference: own.lastInference,
    inference_count: own.rows,
    execution_count: own.executions,
    inference_stats: {
      success: own.success,
      fail: own.fail,
      queue: own.queue,
      compute_input: untimed,
      compute_infer: own.compute,
      compute_output: untimed,
      cache_hit: none,
      cache_miss: none,
    },
    response_stats: {},
    batch_stats: [...own.batches]
      .sort(([a], [b]) => a - b)
      .map(([batchSize, compute]) => ({
        batch_size: batchSize,
        compute_input: { count: compute.count, ns: 0 },
        compute_infer: compute,
        compute_output: { count: compute.count, ns: 0 },
      })),
    memory_usage: memoryUsage(memory),
    // Beyond the extension: what the scheduler expects of this model, and what became of its requests.
    scheduling: { batch_costs: costs.table(now), ...lane.counts },
  };
}

/** $memory_usage of the statistics extension; empty where nobody has measured it. */
export function memoryUsage(memory: MemoryUse | undefined): unknown[] {
  if (memory === undefined) return [];
  const { provider, deviceId, bytes } = memory;
  return [
    provider === "cuda" ? { type: "GPU", id: deviceId, byte_size: bytes } : { type: "CPU", id: 0, byte_size: bytes },
  ];
}
