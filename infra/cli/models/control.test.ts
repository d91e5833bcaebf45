import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Answers, SCRIPTED, typedTo } from "./scripted-pool.ts";

const LOAD = "POST /v2/repository/models/digits/load";

describe("models load and unload", () => {
  test("ask the repository and print the states afterwards", async (context) => {
    for (const verb of ["load", "unload"]) {
      const path = `/v2/repository/models/digits/${verb}`;
      const { code, asked, printed } = await typedTo(context, `${verb} digits`, {
        ...SCRIPTED,
        [`POST ${path}`]: { body: {} },
      });
      assert.equal(code, 0);
      assert.deepEqual(
        asked.map(({ url }) => url),
        [path, "/v2/repository/index"],
      );
      assert.match(printed, /^digits +1 +UNAVAILABLE +unloaded$/m);
      assert.match(printed, /^digits +2 +READY +-$/m);
    }
  });

  test("a load that fails prints the reason", async (context) => {
    const body = { error: "failed to load 'digits', version 3: it is not acyclic", code: "model_rejected" };
    const { code, printed, noted } = await typedTo(context, "load digits", {
      ...SCRIPTED,
      [LOAD]: { status: 400, body },
    });
    assert.deepEqual([code, printed], [1, ""]);
    assert.match(noted, /version 3: it is not acyclic \(model_rejected\)/);
  });

  test("an unknown name is answered with the nearest that there is", async (context) => {
    const body = { error: "Request for unknown model", code: "model_not_found" };
    const answers: Answers = { ...SCRIPTED, "POST /v2/repository/models/digtis/unload": { status: 404, body } };
    const { code, noted } = await typedTo(context, "unload digtis", answers);
    assert.equal(code, 1);
    assert.match(noted, /Did you mean 'digits'\?/);
  });

  test("a terminal shows the states meanwhile and is left clean; a pipe gets nothing of it", async (context) => {
    for (const watched of [true, false]) {
      // What the first look saw has been shown when the second one comes.
      const lookedTwice = Promise.withResolvers<void>();
      let looks = 0;
      const answers: Answers = {
        [LOAD]: async () => {
          if (watched) await lookedTwice.promise;
          return { body: {} };
        },
        "POST /v2/repository/index": () => {
          if (++looks === 2) lookedTwice.resolve();
          return { body: [{ name: "digits", version: "3", state: "LOADING", reason: "" }] };
        },
      };
      const { code, progress } = await typedTo(context, "load digits", answers, { watched });
      assert.equal(code, 0);
      if (!watched) assert.deepEqual(progress, []);
      else assert.deepEqual([progress[0], progress.at(-1)], ["digits: version 3 LOADING, 0 s", undefined]);
    }
  });

  test("the time to wait is bounded", async (context) => {
    await assert.rejects(
      typedTo(context, "load digits --wait 3600", SCRIPTED),
      /--wait is a whole number from 1 to 290/,
    );
  });
});
