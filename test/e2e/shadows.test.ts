/** A shadow: another version answers a share of a route's requests as well, and nobody notices. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { comparisonStatisticsSchema } from "../../shared/control/comparison/comparison-statistics.ts";
import { quantile } from "../../shared/control/distribution.ts";
import { decodeInferenceRequest } from "../../shared/protocol/request.ts";
import { type LoneEdge, startLoneEdge } from "../support/lone-edge.ts";
import { scrape } from "../support/pool-metrics.ts";
import { RecordingProxy } from "../support/recording-proxy.ts";
import { RouteClient, row } from "../support/route-client.ts";
import { ModelFolder, scaling } from "../support/scaling-models.ts";
import { SeveralNodes, type TestNode } from "../support/several-nodes.ts";
import { until } from "../support/until.ts";

const REQUESTS = 30;
const shadowSchema = z.object({ comparisons: z.record(z.string(), comparisonStatisticsSchema) });
const usageSchema = z.looseObject({ items: z.array(z.looseObject({ requests: z.int(), rows: z.int() })) });

describe("a shadow", () => {
  const models = new ModelFolder().add("plain", [scaling(1), scaling(1.01), scaling(-1)]);
  const stateFolder = mkdtempSync(join(tmpdir(), "warmgate-shadows-"));
  const proxy = new RecordingProxy();
  let edge: LoneEdge;
  let several: SeveralNodes;
  let node: TestNode;
  let client: RouteClient;
  before(async () => {
    edge = await startLoneEdge(stateFolder);
    client = new RouteClient(edge);
    several = new SeveralNodes(edge, [models.path]);
    node = await several.start("watched", ["--advertise-url", await proxy.listen()]);
    proxy.target = node.url;
    await until("the node to be known", async () => (await client.nodes()).some(({ live }) => live));
  });
  after(async () => {
    await several.stop();
    proxy.close();
    await edge.stop();
    for (const folder of [models.path, stateFolder]) rmSync(folder, { recursive: true, force: true });
  });

  const putRoute = (name: string, version: string) => {
    const split = { versions: [{ version: "1", weight: 1 }] };
    return client.putRoute(name, [{ contract: 1, split, shadow: { version, share: 1 } }], { model: "plain" });
  };
  const compared = async (route: string, pair: string) =>
    shadowSchema.parse(await client.change("GET", `/routes/${route}/shadow`)).comparisons[pair];
  /** Sends the requests, and waits until all of them have been compared. */
  const shadowed = async (route: string, pair: string, key: string) => {
    for (let which = 0; which < REQUESTS; which++) {
      const { status, version, outputs, error } = await client.infer(route, { key, x: row(which) });
      assert.deepEqual([status, version, outputs.y], [200, "1", row(which)], error);
    }
    return until("all of them to be compared", async () => {
      const statistics = await compared(route, pair);
      return (statistics?.answers ?? 0) >= REQUESTS && statistics;
    });
  };

  test("is compared with what callers were answered, output by output", async () => {
    const key = await client.tenant("compared");
    await putRoute("alike", "2");
    await putRoute("unlike", "3");
    assert.equal(await compared("alike", "1-2"), undefined);
    const alike = await shadowed("alike", "1-2", key);
    assert.deepEqual([alike.answers, alike.agreeingAnswers], [REQUESTS, REQUESTS]);
    const unlike = await shadowed("unlike", "1-3", key);
    assert.deepEqual([unlike.answers, unlike.agreeingAnswers], [REQUESTS, 0]);
    for (const [{ outputs }, relative] of [[alike, 0.01] as const, [unlike, 2] as const]) {
      assert.deepEqual([outputs.y?.rows, Object.keys(outputs)], [REQUESTS, ["y"]]);
      const largest = quantile(outputs.y!.maxRelative, 0.5) ?? 0;
      assert.ok(largest > relative / 2 && largest < relative * 2, `${largest}`);
    }
  });

  test("runs in the lowest class, and costs its tenant nothing", async () => {
    const key = await client.tenant("watched-tenant");
    const runs = async (version: string) =>
      (await scrape(node.pool)).get(
        `warmgate_pool_inferences_total{model="plain",version="${version}",outcome="ok"}`,
      ) ?? 0;
    await putRoute("seen", "2");
    const [first, second, recorded] = [await runs("1"), await runs("2"), proxy.requests.length];
    await shadowed("seen", "1-2", key);
    assert.deepEqual([(await runs("1")) - first, (await runs("2")) - second], [REQUESTS, REQUESTS]);
    const prioritiesOf = (version: string) =>
      proxy.requests
        .slice(recorded)
        .filter(({ path }) => path === `/v2/models/plain/versions/${version}/infer`)
        .map(({ body, headerLength }) => decodeInferenceRequest(body, headerLength).parameters.priority);
    assert.deepEqual(prioritiesOf("1"), new Array(REQUESTS).fill(undefined));
    assert.deepEqual(prioritiesOf("2"), new Array(REQUESTS).fill(4));
    const used = async () => usageSchema.parse(await client.change("GET", "/tenants/watched-tenant/usage")).items[0];
    await until("the usage to be told", async () => ((await used())?.requests ?? 0) >= REQUESTS);
    // Whatever shadows were counted would be told with one more.
    await client.infer("seen", { key, x: row(REQUESTS) });
    await until("one more to be told", async () => ((await used())?.requests ?? 0) > REQUESTS);
    assert.deepEqual(await used().then((line) => [line?.requests, line?.rows]), [REQUESTS + 1, REQUESTS + 1]);
  });
});
