import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { addComparison, newComparisonStatistics } from "../../../shared/control/comparison/comparison-statistics.ts";
import { routes } from "./admin.ts";
import { sent, typed } from "./scripted-api.ts";

describe("routes shadow", () => {
  test("tells for each pair and output how far answers differ", async (context) => {
    const statistics = newComparisonStatistics();
    for (let answer = 1; answer <= 200; answer++) {
      const agrees = answer > 1;
      addComparison(
        statistics,
        {
          agrees,
          outputs: [
            {
              ...{ kind: "numbers", name: "probabilities", rows: 3, agreeingRows: agrees ? 3 : 2 },
              ...{ maxAbsolute: agrees ? 0.25 : 8, maxRelative: agrees ? 0 : Number.NaN },
            },
            { kind: "values", name: "text", rows: 3, agreeingRows: 3 },
            { kind: "incomparable", name: "gone" },
          ],
        },
        ...([answer > 190 ? 64 : 4, 16] as const),
      );
    }
    const { printed, asked } = await typed(context, routes, "shadow digits", {
      comparisons: { "1-2": statistics, "2-3": newComparisonStatistics() },
    });
    assert.equal(sent(asked)[0]?.path, "routes/digits/shadow");
    const [about, latencies, outputs, next] = printed.split("\n\n");
    assert.equal(about, "versions  2 compared with 1\nanswers   200\nagree     199 (99.5%)");
    assert.equal(latencies, "VERSION  P50 MS  P99 MS\n1             4      64\n2            16      16");
    assert.match(
      outputs ?? "",
      /^OUTPUT +ROWS +AGREE +INCOMPARABLE +ABS P50 +ABS P99 +ABS MAX +REL P50 +REL P99 +REL MAX$/m,
    );
    assert.match(outputs ?? "", /^probabilities +600 +99\.833% +0 +0\.25 +0\.25 +8 +0 +0 +over 1e12$/m);
    assert.match(outputs ?? "", /^text +600 +100% +0( +-){6}$/m);
    assert.match(outputs ?? "", /^gone +0 +- +200( +-){6}$/m);
    assert.match(next ?? "", /^versions +3 compared with 2\nanswers +0\nagree +-$/);
  });

  test("says when nothing was compared", async (context) => {
    const { printed, code } = await typed(context, routes, "shadow digits", { comparisons: {} });
    assert.deepEqual([printed, code], ["Nothing has been compared yet.", 0]);
  });
});
