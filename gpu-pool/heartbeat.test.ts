import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import { Heartbeat } from "./heartbeat.ts";

const LIMIT_MS = 1_000;

describe("a heartbeat", () => {
  let asked = 0;
  let silent = 0;
  let answers = true;
  const start = (limitMs = LIMIT_MS) => {
    const heartbeat = new Heartbeat({
      limitMs,
      ask: () => {
        asked++;
        if (answers) heartbeat.answered();
      },
      onSilent: () => silent++,
    });
    return heartbeat;
  };
  beforeEach(() => {
    asked = 0;
    silent = 0;
    answers = true;
    mock.timers.enable({ apis: ["setInterval"] });
  });
  afterEach(() => mock.timers.reset());

  test("who answers is never silent", () => {
    start();
    mock.timers.tick(100 * LIMIT_MS);
    assert.equal(silent, 0);
    assert.equal(asked, 400);
  });

  test("who stops answering is silent once, not before the limit and a quarter after it at the latest", () => {
    start();
    mock.timers.tick(LIMIT_MS);
    answers = false;
    mock.timers.tick(LIMIT_MS);
    assert.equal(silent, 0);
    mock.timers.tick(LIMIT_MS / 4);
    assert.equal(silent, 1);
    mock.timers.tick(10 * LIMIT_MS);
    assert.equal(silent, 1);
  });

  test("an answer that comes late still counts", () => {
    const heartbeat = start();
    answers = false;
    for (let turn = 0; turn < 10; turn++) {
      mock.timers.tick(LIMIT_MS);
      heartbeat.answered();
    }
    assert.equal(silent, 0);
  });

  test("a limit of 0 asks nothing, and one that is stopped asks nothing more", () => {
    start(0);
    const stopped = start();
    stopped.stop();
    mock.timers.tick(10 * LIMIT_MS);
    assert.deepEqual([asked, silent], [0, 0]);
  });
});
