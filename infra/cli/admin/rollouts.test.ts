import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { rolloutPlanSchema } from "../../../shared/control/rollout/rollout-plan.ts";
import { rollout } from "./admin.ts";
import { sent, typed } from "./scripted-api.ts";

const START = Date.UTC(2027, 0, 1);
const FIGURES = {
  ...{ percentage: 10, stepSeconds: 45.6, stableRequests: 1000, candidateRequests: 52 },
  ...{ stableErrorRate: 0, candidateErrorRate: 0.0625, stableP50Ms: 4, candidateP50Ms: 4, stableP99Ms: 8 },
  ...{ candidateP99Ms: 16, compared: 200, agreement: 0.995, errorRatioEValue: 1.25, agreementEValue: 0.4 },
};
const held = { at: START + 45_600, rollout: "r-2", kind: "hold", reason: "requests", percentage: 10, figures: FIGURES };
const ROLLOUT = {
  ...{ id: "r-2", route: "digits", contract: 1, stable: "1", candidate: "2", startedAt: START },
  plan: rolloutPlanSchema.parse({ steps: [10, 50, 100], guards: { p99Ratio: null } }),
  ...{ state: "running", percentage: 10, figures: FIGURES },
  decisions: [
    held,
    { ...held, at: START, kind: "start", reason: "0aB1cD2eF3", figures: {} },
    { ...held, rollout: "r-1", kind: "abort", reason: "errorRatio", percentage: 0 },
  ],
};

describe("rollout", () => {
  test("start sends the version alone where nothing else is given", async (context) => {
    const { asked, printed } = await typed(context, rollout, "start digits --to 2", ROLLOUT);
    assert.deepEqual(sent(asked), [{ method: "POST", path: "routes/digits/rollout", body: { candidate: "2" } }]);
    assert.match(printed, /^versions +1 -> 2$/m);
  });

  test("start sends the plan that is given", async (context) => {
    const line =
      "start digits --to 2 --contract 3 --step 10 --step 50% --step 100 --step-seconds 30 --step-requests 1_000 --shadow-share 50% --error-ratio 2 --p99-ratio 1.2 --agreement 0.95 --non-finite on";
    const { asked } = await typed(context, rollout, line, ROLLOUT);
    const guards = { errorRatio: 2, p99Ratio: 1.2, agreement: 0.95, nonFinite: true };
    const plan = { steps: [10, 50, 100], stepSeconds: 30, stepRequests: 1000, shadowShare: 0.5, guards };
    assert.deepEqual(sent(asked)[0]?.body, { candidate: "2", contract: 3, plan });
  });

  test("start turns guards off", async (context) => {
    const line =
      "start digits --to 2 --step 100 --error-ratio off --p99-ratio off --agreement off --non-finite off --shadow-share 0";
    const { asked } = await typed(context, rollout, line, ROLLOUT);
    const guards = { errorRatio: null, p99Ratio: null, agreement: null, nonFinite: false };
    assert.deepEqual(sent(asked)[0]?.body, { candidate: "2", plan: { steps: [100], shadowShare: 0, guards } });
  });

  test("status shows where it stands and what its last decisions were made by", async (context) => {
    const { asked, printed } = await typed(context, rollout, "status digits --decisions 3", ROLLOUT);
    assert.equal(asked[0]?.url, "/admin/v1/routes/digits/rollout?decisions=3");
    const [about, versions, guards, decisions] = printed.split("\n\n");
    assert.match(about ?? "", /^route +digits, contract 1$/m);
    assert.match(about ?? "", /^state +running$/m);
    assert.match(about ?? "", /^traffic +version 2 has 10%$/m);
    assert.match(about ?? "", /^steps +10% 50% 100%$/m);
    assert.match(about ?? "", /^in this step +45s$/m);
    assert.match(about ?? "", /^agree +99\.5%$/m);
    assert.match(versions ?? "", /^1 +1,000 +0% +- +4 +8$/m);
    assert.match(versions ?? "", /^2 +52 +6\.25% +- +4 +16$/m);
    assert.match(guards ?? "", /^errorRatio +1\.5 times at the most +1\.25$/m);
    assert.match(guards ?? "", /^p99Ratio +off +-$/m);
    assert.match(guards ?? "", /^agreement +90% at the least +0\.4$/m);
    const [titles, first, second, third] = (decisions ?? "").split("\n");
    assert.match(titles ?? "", /^AT +DECISION +REASON +TRAFFIC .*ERRORS OF 2 +P99 MS OF 1 +P99 MS OF 2 +AGREE$/);
    assert.match(
      first ?? "",
      /^2027-01-01T00:00:45Z {2}hold +too few requests yet +10% +1,000 +52 +0% +6\.25% +8 +16 +99\.5%$/,
    );
    assert.match(second ?? "", /^2027-01-01T00:00:00Z {2}start +0aB1cD2eF3 +10%( +-){7}$/);
    assert.equal(third, undefined, "a decision of the rollout before is shown as one of this");
  });

  for (const [verb, state, percentage] of [
    ["abort", "aborted", 0],
    ["promote", "promoted", 100],
  ] as const) {
    test(`${verb} sends only that and says how it ended`, async (context) => {
      const { asked, printed } = await typed(context, rollout, `${verb} digits`, { ...ROLLOUT, state, percentage });
      assert.deepEqual(sent(asked), [{ method: "POST", path: `routes/digits/rollout/${verb}`, body: undefined }]);
      assert.match(printed, new RegExp(`^state +${state}$`, "m"));
      assert.match(printed, new RegExp(`^traffic +version 2 has ${percentage}%$`, "m"));
    });
  }
});
