import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { readSettings } from "../../gpu-pool/settings.ts";
import { IMPORTANCES } from "../../shared/control/importance.ts";
import { exportedSeries, type LabelValues } from "./exported-series.ts";
import { type Expression, type Matcher, readExpression, type Selector } from "./expression.ts";
import { type Alert, minutes, type Replay, readAlerts, readRecordings, readReplays } from "./rule-files.ts";

/** The job that README.md tells to scrape the pool as; what Prometheus itself adds to each series. */
const JOB = "warmgate-pool";
const TARGET: LabelValues = new Map([
  ["job", new Set([JOB])],
  ["instance", new Set(["a"])],
]);

const readme = readFileSync(join(import.meta.dirname, "README.md"), "utf8");
const recordings = readRecordings();
const alerts = readAlerts();
const replays = readReplays();
const series = new Map<string, LabelValues>([...(await exportedSeries()), ["up", new Map()]]);

/** The labels of a recorded series are named before its first colon. */
function levelOf(record: string): string[] {
  return record.split(":")[0]?.split("_") ?? [];
}

function labelsOf({ metric }: Selector): LabelValues {
  const exported = series.get(metric);
  if (exported) return new Map([...TARGET, ...exported]);
  assert.ok(
    recordings.some(({ record }) => record === metric),
    `${metric} is neither exported nor recorded`,
  );
  return new Map(levelOf(metric).map((label) => [label, new Set<string>()]));
}

function assertMatches({ label, operator, value }: Matcher, selector: Selector): void {
  const values = labelsOf(selector).get(label);
  assert.ok(values, `${selector.metric} has no label ${label}`);
  const alternatives = operator.endsWith("~") ? value.split("|") : [value];
  for (const alternative of alternatives) {
    const pattern = operator.endsWith("~") ? new RegExp(`^(?:${alternative})$`) : undefined;
    const met = [...values].some((known) => pattern?.test(known) ?? known === alternative);
    assert.ok(met, `${selector.metric} never has ${label}="${alternative}"`);
  }
}

function assertReadable({ selectors, groupings, matches }: Expression): void {
  assert.ok(selectors.length > 0);
  for (const selector of selectors) {
    assert.ok(labelsOf(selector).has("job"), `${selector.metric} does not tell one pool from another`);
    for (const matcher of selector.matchers) assertMatches(matcher, selector);
  }
  const relied = [...groupings.map(({ labels, over }) => ({ labels, of: over })), ...matches];
  for (const { labels, of } of relied) {
    for (const selector of of) {
      for (const label of labels) assert.ok(labelsOf(selector).has(label), `${selector.metric} has no label ${label}`);
    }
  }
}

/** What the replays say of an alert: at which minute of which replay it must be firing or silent. */
function verdicts(alert: Alert): { replay: Replay; at: number; fires: boolean }[] {
  return replays.flatMap((replay) =>
    replay.alert_rule_test
      .filter(({ alertname }) => alertname === alert.alert)
      .map(({ eval_time, exp_alerts }) => ({ replay, at: minutes(eval_time), fires: exp_alerts.length > 0 })),
  );
}

describe("the rules", () => {
  test("ask only for series, labels and values that a pool exports or a rule records", () => {
    for (const { expr } of [...recordings, ...alerts]) assertReadable(readExpression(expr));
  });

  test("a recorded series has the labels that its name says", () => {
    for (const { record, expr } of recordings) {
      const { selectors, groupings } = readExpression(expr);
      for (const { labels } of groupings) {
        // `le` is what a quantile is made of.
        assert.deepEqual(
          labels.filter((label) => label !== "le"),
          levelOf(record),
          record,
        );
      }
      for (const { metric } of selectors) {
        if (!series.has(metric)) assert.deepEqual(levelOf(metric), levelOf(record), record);
      }
    }
  });

  test("names are given once", () => {
    const names = [...recordings.map(({ record }) => record), ...alerts.map(({ alert }) => alert)];
    assert.deepEqual(names, [...new Set(names)]);
  });

  test("what they know of the pool's own limits is so", () => {
    const expressionOf = (name: string) => alerts.find(({ alert }) => alert === name)?.expr ?? "";
    const { maxQueueMs } = readSettings(["--models", "models", "--pool-auth", "open"], {});
    assert.match(expressionOf("WarmgateQueueFilling"), new RegExp(`, 600\\) > ${maxQueueMs / 1000}\n`));
    assert.match(expressionOf("WarmgateAdmissionLevelCut"), new RegExp(` < ${IMPORTANCES}\n`));
  });
});

describe("each alert", () => {
  test("is explained under the heading that it links to", () => {
    const headings = [...readme.matchAll(/^### (\w+)$/gm)].map(([, heading]) => heading);
    assert.deepEqual(
      headings,
      alerts.map(({ alert }) => alert),
    );
    for (const { alert, annotations } of alerts) {
      assert.equal(annotations.runbook_url, `infra/prometheus/README.md#${alert.toLowerCase()}`);
    }
  });

  test("is fed a replay that fires it and another one that does not", () => {
    for (const alert of alerts) {
      const firing = new Set(verdicts(alert).flatMap(({ replay, fires }) => (fires ? [replay] : [])));
      assert.ok(firing.size > 0, `no replay fires ${alert.alert}`);
      const silent = verdicts(alert).some(({ replay }) => !firing.has(replay));
      assert.ok(silent, `no replay leaves ${alert.alert} silent`);
    }
  });

  test("is looked at before it fires as well", () => {
    for (const alert of alerts.filter((one) => one.for !== undefined)) {
      const told = verdicts(alert);
      const early = told.some(({ replay, at, fires }) => {
        return fires && told.some((other) => other.replay === replay && !other.fires && other.at < at);
      });
      assert.ok(early, `${alert.alert} may fire before its \`for\` is over`);
    }
  });

  test("is not fed under a name that no alert has", () => {
    const names = new Set(alerts.map(({ alert }) => alert));
    for (const { name, alert_rule_test } of replays) {
      for (const { alertname } of alert_rule_test) assert.ok(names.has(alertname), `${alertname} in "${name}"`);
    }
  });
});

test("README.md has the pool scraped as the job that the rules ask for", () => {
  assert.match(readme, new RegExp(`job_name: ${JOB}$`, "m"));
});
