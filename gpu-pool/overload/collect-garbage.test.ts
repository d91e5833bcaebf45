import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { collectGarbage } from "./collect-garbage.ts";

const HELD = 64 * 1024 ** 2;

describe("collecting garbage", () => {
  test("gives back buffers that nothing refers to any more, though nothing is allocated", async () => {
    const before = process.memoryUsage().arrayBuffers;
    (() => new Uint8Array(HELD).fill(1))();
    assert.ok(process.memoryUsage().arrayBuffers - before >= HELD);
    // A turn of the loop later, no register or stack slot holds the buffer.
    await delay(1);
    collectGarbage();
    assert.ok(process.memoryUsage().arrayBuffers - before < HELD);
  });

  test("reaches a thread that listens, and listening does not keep the thread alive", async () => {
    const file = new URL("./collect-garbage.ts", import.meta.url).href;
    const source = `
      import { parentPort } from "node:worker_threads";
      import { collectGarbageWhenAsked } from ${JSON.stringify(file)};
      collectGarbageWhenAsked();
      const given = new FinalizationRegistry(() => parentPort.postMessage("given back"));
      (() => given.register(new Uint8Array(${HELD}), 0))();
      parentPort.on("message", () => parentPort.close());
      parentPort.postMessage("listening");`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
    await once(worker, "message");
    const [givenBack] = await Promise.all([once(worker, "message"), delay(10).then(collectGarbage)]);
    assert.deepEqual(givenBack, ["given back"]);
    const exited = once(worker, "exit");
    worker.postMessage("leave");
    assert.deepEqual(await exited, [0]);
  });
});
