import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { Registry } from "prom-client";
import { freeBytes } from "./memory-budget.ts";
import { type DeviceOptions, loadOnDevice, type OpenDevice, openDevice } from "./open-device.ts";

const MIB = 1024 ** 2;

let folder: string;
let device: OpenDevice | undefined;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "warmgate-device-"));
  await writeFile(join(folder, "model.onnx"), new Uint8Array(MIB));
});
afterEach(() => device?.close());
after(() => rm(folder, { recursive: true }));

/** An `nvidia-smi` that says how much memory is used. */
async function install(usedMib: number): Promise<void> {
  const file = join(folder, "nvidia-smi");
  await writeFile(file, `#!/bin/sh\necho "0, ${usedMib}, 100, 40, 60.00"\n`);
  await chmod(file, 0o755);
}

async function open(options: Partial<DeviceOptions> = {}) {
  const registry = new Registry();
  const warnings: string[] = [];
  const log = { info() {}, warn: (text: unknown) => void warnings.push(String(text)), error() {} };
  const opened = await openDevice({
    ...{ provider: "cuda", deviceId: 0, name: "cuda:0", memoryBytes: undefined, registry, log },
    ...{
      environment: { PATH: `${folder}:/usr/bin:/bin` },
      now: () => performance.now(),
      onRecycle: () => assert.fail(),
    },
    ...options,
  });
  device = opened;
  return { opened, registry, warnings };
}

interface Tried {
  readonly probedBytes?: number;
  /** What the model is said to take is added. */
  readonly told?: number[];
}

function load(opened: OpenDevice, model: string, { probedBytes, told = [] }: Tried = {}) {
  const wanted = { model, version: "1", files: [join(folder, "model.onnx")], instances: 1, evictable: false };
  return loadOnDevice(opened, { ...wanted, probedBytes }, async () => ({
    loaded: model,
    placed: { lastUsedAt: () => 0, takes: (bytes) => void told.push(bytes), evict: async () => undefined },
  }));
}

describe("a device that is opened", () => {
  test("gives models what a GPU has free, less a tenth, and shows how it is", async () => {
    await install(20);
    const { opened, registry } = await open();
    assert.equal(opened.placement?.memory.capacityBytes, 72 * MIB);
    assert.equal(opened.totalBytes, 100 * MIB);
    const metrics = await registry.metrics();
    assert.match(metrics, /^warmgate_pool_gpu_memory_bytes\{device="cuda:0",kind="used"\} 20971520$/m);
    assert.match(metrics, /^warmgate_pool_device_failures_total\{device="cuda:0",kind="sticky"\} 0$/m);
  });

  test("measures what a model takes of a GPU", async () => {
    await install(20);
    const { opened } = await open();
    await load(opened, "a");
    // Nothing has grown: the estimate counts, which is twice the file.
    assert.equal(freeBytes(opened.placement!.memory), 70 * MIB);
    await loadOnDevice(
      opened,
      {
        model: "b",
        version: "1",
        files: [join(folder, "model.onnx")],
        instances: 1,
        evictable: false,
        probedBytes: undefined,
      },
      async () => {
        await install(50);
        return { loaded: "b", placed: { lastUsedAt: () => 0, takes() {}, evict: async () => undefined } };
      },
    );
    assert.equal(freeBytes(opened.placement!.memory), 40 * MIB);
  });

  test("does not count what trying a model takes of it", async () => {
    await install(20);
    const { opened } = await open();
    const order: string[] = [];
    const wanted = { model: "a", version: "1", files: [join(folder, "model.onnx")], instances: 1, evictable: false };
    await loadOnDevice(
      opened,
      { ...wanted, probedBytes: undefined },
      async () => {
        order.push("opened");
        await install(30);
        return { loaded: "a", placed: { lastUsedAt: () => 0, takes() {}, evict: async () => undefined } };
      },
      async () => {
        order.push("tried");
        await install(25);
      },
    );
    assert.deepEqual(order, ["tried", "opened"]);
    assert.equal(freeBytes(opened.placement!.memory), 67 * MIB);
  });

  test("gives models what the operator says, whatever the GPU has", async () => {
    await install(20);
    const { opened } = await open({ memoryBytes: 3 * MIB });
    await load(opened, "a");
    await assert.rejects(load(opened, "b"), {
      code: "model_rejected",
      message: "it does not fit on the device: needs 2 MiB, 1 MiB of 3 MiB are free: a 2 MiB",
    });
  });

  test("loads whatever there is, and says so, where nobody knows what the GPU has", async () => {
    await rm(join(folder, "nvidia-smi"), { force: true });
    const { opened, warnings } = await open();
    assert.equal(opened.placement, undefined);
    assert.equal(await load(opened, "a"), "a");
    assert.equal(warnings.length, 1);
  });

  test("tells what a model took when it was tried where nobody counts memory, and guesses nothing", async () => {
    const { opened } = await open({ provider: "cpu", name: "cpu" });
    const told: number[] = [];
    await load(opened, "tried", { probedBytes: 5 * MIB, told });
    await load(opened, "untried", { told });
    assert.deepEqual(told, [5 * MIB]);
  });

  test("asks nobody about a CPU, and places models only where the operator says what they may take", async () => {
    await install(20);
    const { opened, registry, warnings } = await open({ provider: "cpu", name: "cpu" });
    assert.equal(opened.placement, undefined);
    assert.equal(await registry.metrics(), "\n");
    assert.deepEqual(warnings, []);
    const limited = await open({ provider: "cpu", name: "cpu", memoryBytes: MIB });
    await assert.rejects(load(limited.opened, "a"), { code: "model_rejected" });
  });
});
