import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EdgeMetrics, type Gauges, type ObservedRequest } from "./edge-metrics.ts";
import { JobCounts } from "./job-counts.ts";

const REQUEST: ObservedRequest = {
  ...{ route: "/v2/models/{model}/infer", status: 200, ms: 4, answered: "pool", shed: undefined },
  attempts: [{ outcome: "pool_unavailable" }, { outcome: "answered" }],
};
const NOTHING: Gauges = { breakers: [], heldBytes: { requests: 0, answers: 0 }, liveNodes: 0 };

const linesOf = (metrics: EdgeMetrics, gauges = NOTHING) => metrics.exposition(gauges).split("\n");

describe("what an isolate counts", () => {
  test("every request by route and status, every try by what came of it", () => {
    const metrics = new EdgeMetrics();
    metrics.observe(REQUEST);
    metrics.observe({ ...REQUEST, status: 503, answered: undefined, shed: "wait", attempts: [] });
    const lines = linesOf(metrics);
    for (const line of [
      'warmgate_edge_requests_total{route="/v2/models/{model}/infer",status="200"} 1',
      'warmgate_edge_requests_total{route="/v2/models/{model}/infer",status="503"} 1',
      'warmgate_edge_attempts_total{attempt="1",outcome="pool_unavailable"} 1',
      'warmgate_edge_attempts_total{attempt="2",outcome="answered"} 1',
      'warmgate_edge_shed_total{by="wait"} 1',
    ]) {
      assert.ok(lines.includes(line), line);
    }
  });

  test("the time of what was answered, in buckets that hold all below them", () => {
    const metrics = new EdgeMetrics();
    for (const ms of [0.5, 4, 4, 70_000]) metrics.observe({ ...REQUEST, ms });
    const lines = linesOf(metrics);
    for (const line of [
      'warmgate_edge_prediction_seconds_bucket{answered="pool",le="0.001"} 1',
      'warmgate_edge_prediction_seconds_bucket{answered="pool",le="0.005"} 3',
      'warmgate_edge_prediction_seconds_bucket{answered="pool",le="60"} 3',
      'warmgate_edge_prediction_seconds_bucket{answered="pool",le="+Inf"} 4',
      'warmgate_edge_prediction_seconds_count{answered="pool"} 4',
    ]) {
      assert.ok(lines.includes(line), line);
    }
  });

  test("jobs by how they ended, the kinds that there were none of too", () => {
    const jobs = new JobCounts();
    for (const event of ["queued", "queued", "failed"] as const) jobs.count(event);
    const lines = linesOf(new EdgeMetrics(jobs));
    for (const line of [
      'warmgate_edge_jobs_total{event="queued"} 2',
      'warmgate_edge_jobs_total{event="succeeded"} 0',
      'warmgate_edge_jobs_total{event="failed"} 1',
    ]) {
      assert.ok(lines.includes(line), line);
    }
  });

  test("breakers as they are, with names that cannot break a line", () => {
    const breakers = [{ node: 'a"\n\\', model: "m", state: "half_open" }];
    const lines = linesOf(new EdgeMetrics(), { ...NOTHING, breakers });
    assert.ok(lines.includes('warmgate_edge_breaker_open{node="a\\"\\n\\\\",model="m"} 0.5'));
  });
});
