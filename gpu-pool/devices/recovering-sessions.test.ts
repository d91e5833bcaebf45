/** The executor over real sessions of ONNX Runtime, with a run that really cannot get its memory. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pino } from "pino";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { FLOAT, INT64, model, node, valueInfo } from "../../test/support/onnx-protobuf.ts";
import { until } from "../../test/support/until.ts";
import { type Device, loadModel } from "../repository/load-model.ts";
import { readModelJson } from "../repository/model-json.ts";
import { BatchExecutor, type Prediction, type Work } from "../runtime/batch-executor.ts";
import { Completions } from "../runtime/completions.ts";
import { ModelInstance } from "../runtime/model-instance.ts";
import type { PredictionScheduler } from "../runtime/served-model.ts";
import { DeviceScheduler } from "../scheduler/device-scheduler.ts";
import { realClock } from "../scheduler/real-clock.ts";
import { PoolMetrics } from "../telemetry/metrics.ts";
import { DeviceGuard } from "./device-guard.ts";
import { dividingWork } from "./divide-work.ts";
import { RecoveringExecutor } from "./recovering-executor.ts";

/** `x` FP32 [1], `shape` INT64 [1] -> `y` FP32: as many copies of `x` as `shape` says. */
const COPIES = model({
  nodes: [node("Expand", ["x", "shape"], ["y"])],
  initializers: [],
  inputs: [valueInfo("x", FLOAT, [1]), valueInfo("shape", INT64, [1])],
  outputs: [valueInfo("y", FLOAT, ["n"])],
});
/** 256 TiB as FP32: more than a process can address. */
const TOO_MANY = 2n ** 46n;

let folder: string;
let alive: NodeJS.Timeout;
before(async () => {
  // A model's thread does not keep the process alive.
  alive = setInterval(() => undefined, 1_000);
  folder = await mkdtemp(join(tmpdir(), "warmgate-sessions-"));
  await writeFile(join(folder, "model.onnx"), COPIES);
});
after(async () => {
  clearInterval(alive);
  await rm(folder, { recursive: true });
});

function copies(count: bigint): Work {
  const x = { name: "x", datatype: "FP32", shape: [1], bytes: new Uint8Array(Float32Array.of(1.5).buffer) } as const;
  const shape = {
    name: "shape",
    datatype: "INT64",
    shape: [1],
    bytes: new Uint8Array(BigInt64Array.of(count).buffer),
  } as const;
  return { inputs: [x, shape], outputs: ["y"], rows: 1 };
}

test("a session that is out of memory is replaced by a new one, which answers", async () => {
  let instance = await open();
  const guard = new DeviceGuard({
    now: () => performance.now(),
    log: { info() {}, warn() {}, error() {} },
    onRecycle: () => assert.fail("nothing is to be recycled"),
  });
  const first = instance;
  const executor = new RecoveringExecutor<Work, Prediction>({
    model: "copies/1",
    guard,
    executor: executorOf(instance),
    renew: async () => {
      await instance.close();
      instance = await open();
      return executorOf(instance);
    },
    capacityBytes: Number.POSITIVE_INFINITY,
    ...dividingWork(false),
  });
  const run = async (count: bigint) => (await executor.run([copies(count)], { endedAt: 0 }))[0];

  assert.equal(lengthOf(await run(3n)), 3);
  for (let time = 0; time < 2; time++) {
    const outcome = await run(TOO_MANY);
    assert.ok(outcome instanceof WarmgateError);
    assert.equal(outcome.code, "device_out_of_memory");
  }
  const meanwhile = await run(3n);
  assert.ok(meanwhile instanceof WarmgateError);
  assert.equal(meanwhile.code, "model_not_ready");
  await until("new sessions", () => guard.counts.renewed === 1);
  assert.notEqual(instance, first);
  assert.equal(lengthOf(await run(3n)), 3);
  await executor.close();
  await instance.close();
});

test("a served model has its sessions replaced when it is out of memory, goes on, and leaves no thread behind", async () => {
  const log = pino({ level: "silent" });
  const guard = new DeviceGuard({ now: realClock.now, log, onRecycle: () => assert.fail("nothing is to be recycled") });
  const scheduler: PredictionScheduler = new DeviceScheduler(realClock, {
    ...{ slots: 2, maxQueueMs: 10_000, maxQueueItems: 100, maxQueueBytes: 1_000_000, overloadedWaitMs: 1_000 },
    ...{ weightOf: () => 1, random: Math.random, epochMs: Date.now },
  });
  const device: Device = {
    ...{ provider: "cpu", deviceId: 0, computeThreads: 1, slots: 2, scheduler },
    completions: new Completions(realClock.now),
    recovery: { guard, capacityBytes: Number.POSITIVE_INFINITY },
  };
  const modelFile = join(folder, "model.onnx");
  const settings = { ...(await readModelJson(undefined)), maxBatch: 0, instances: 2 };
  const artefact = { name: "copies", version: "1", digest: "d", modelFile, files: [modelFile], settings };
  const metrics = new PoolMetrics(() => [], scheduler);
  const before = threads();
  const served = await loadModel(artefact, device, metrics, log, () => assert.fail("no thread is to crash"));
  const run = async (count: bigint): Promise<number | string | undefined> => {
    const demand = { tenant: "", priority: "default", deadline: realClock.now() + 10_000, maxRows: 0 } as const;
    const { inputs } = copies(count);
    return served.submit({ inputs, parameters: {}, binaryOutput: true }, demand).result.then(
      ({ result }) => result.outputs[0]?.shape[0],
      (error: WarmgateError) => error.code,
    );
  };
  let left = 0;
  served.onClosed = () => left++;

  assert.equal(await run(3n), 3);
  assert.equal(await run(TOO_MANY), "device_out_of_memory");
  assert.equal(await run(3n), 3);
  assert.deepEqual([await run(TOO_MANY), await run(TOO_MANY)], ["device_out_of_memory", "device_out_of_memory"]);
  assert.equal(await run(3n), "model_not_ready");
  await until("new sessions", () => guard.counts.renewed === 1);
  assert.deepEqual(await Promise.all([run(3n), run(4n), run(5n)]), [3, 4, 5]);
  await served.close();
  assert.equal(left, 1);
  assert.deepEqual(guard.caps(), []);
  await until("the threads to be gone", () => threads() <= before);
});

function threads(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === "Worker").length;
}

function open(): Promise<ModelInstance> {
  return ModelInstance.load({ file: join(folder, "model.onnx"), provider: "cpu", deviceId: 0, computeThreads: 1 });
}

function executorOf(instance: ModelInstance): BatchExecutor {
  return new BatchExecutor({
    instances: [instance],
    signature: instance.signature,
    batched: false,
    paddedSizes: undefined,
    refuseNonFinite: false,
    boundMs: () => 0,
    onRun: () => undefined,
  });
}

function lengthOf(outcome: Prediction | Error | undefined): number | undefined {
  if (outcome instanceof Error) throw outcome;
  return outcome?.outputs[0]?.shape[0];
}
