import { PRIORITY_CLASSES } from "../../shared/protocol/priority.ts";
import type { TensorSpec } from "../../shared/protocol/tensor.ts";
import type { Served, ServedEnsemble } from "../ensemble/served-ensemble.ts";
import type { MemoryUse, ServedModel } from "../runtime/served-model.ts";
import type { Duration } from "../telemetry/inference-statistics.ts";

const PLATFORM = { model: "onnxruntime_onnx", ensemble: "warmgate_ensemble" } as const;

/** Model metadata of the Open Inference Protocol. */
export function modelMetadata({ identity, signature, kind }: Served, versions: readonly string[]): unknown {
  const spec = ({ name, datatype, shape }: (typeof signature.inputs)[number]) => ({ name, datatype, shape });
  return {
    name: identity.name,
    versions,
    platform: PLATFORM[kind],
    inputs: signature.inputs.map(spec),
    outputs: signature.outputs.map(spec),
  };
}

/** Model configuration in the shape that Triton's clients and perf_analyzer read: `dims` leave the batch dimension out. */
export function modelConfig(model: Served): unknown {
  const { identity, signature, maxBatch } = model;
  const spec = ({ name, datatype, shape }: (typeof signature.inputs)[number]) => ({
    name,
    data_type: datatype === "BYTES" ? "TYPE_STRING" : `TYPE_${datatype}`,
    dims: maxBatch > 0 ? shape.slice(1) : shape,
  });
  return {
    name: identity.name,
    platform: PLATFORM[model.kind],
    backend: model.kind === "model" ? "onnxruntime" : "",
    max_batch_size: maxBatch,
    input: signature.inputs.map(spec),
    output: signature.outputs.map(spec),
    ...(model.kind === "model" ? schedulingOf(model) : ensembleScheduling(model)),
    response_cache: { enable: false },
    model_transaction_policy: { decoupled: false },
    parameters: {
      digest: { string_value: identity.digest },
      provider: { string_value: identity.provider },
      deterministic: { string_value: String(identity.deterministic) },
      description: { string_value: identity.description },
      ...rangesParameter(signature.inputs),
    },
  };
}

/** Values that callers may send, input by input, as JSON. */
function rangesParameter(inputs: readonly TensorSpec[]): object {
  const ranges = inputs.flatMap(({ name, range }) => (range ? [[name, range] as const] : []));
  return ranges.length > 0 ? { ranges: { string_value: JSON.stringify(Object.fromEntries(ranges)) } } : {};
}

function schedulingOf({ identity, maxBatch, instanceCount, policy }: ServedModel): object {
  return {
    dynamic_batching:
      maxBatch > 0
        ? {
            max_queue_delay_microseconds: policy.maxDelayMs * 1000,
            priority_levels: PRIORITY_CLASSES.length,
            default_priority_level: PRIORITY_CLASSES.indexOf("default") + 1,
          }
        : undefined,
    instance_group: [{ kind: identity.provider === "cuda" ? "KIND_GPU" : "KIND_CPU", count: instanceCount }],
  };
}

/** As Triton has it; the digest of each step's model beside, which is part of the ensemble's own. */
function ensembleScheduling({ steps }: ServedEnsemble): object {
  const step = steps.map(({ model, version, member, inputs, outputs }) => ({
    model_name: model,
    model_version: Number(version),
    digest: member.identity.digest,
    input_map: Object.fromEntries(inputs),
    output_map: Object.fromEntries(outputs),
  }));
  return { ensemble_scheduling: { step }, instance_group: [] };
}

/** One entry of `model_stats` of the statistics extension. Copying to and from the device is part of compute_infer. */
export function modelStatistics(model: Served, now: number): unknown {
  const { identity, statistics: own } = model;
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
    memory_usage: memoryUsage(model.kind === "model" ? model.memory : undefined),
    // Beyond the extension: what the scheduler expects of this model, and what became of its requests.
    scheduling: model.kind === "model" ? { batch_costs: model.costs.table(now), ...model.lane.counts } : undefined,
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
