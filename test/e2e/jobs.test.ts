/** Jobs as the last step of a fallback chain: a real edge, its Durable Objects on disk, and a node that answers as it is told to. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { freePorts } from "../../infra/cli/ports.ts";
import { StateFolder } from "../../infra/cli/state-folder.ts";
import { INFERENCE_HEADER_LENGTH } from "../../shared/protocol/headers.ts";
import { jobSchema } from "../../shared/protocol/job.ts";
import { encodeInferenceRequest } from "../../shared/protocol/request.ts";
import { decodeInferenceResponse } from "../../shared/protocol/response.ts";
import { type FakeNode, type Script, startFakeNode } from "../faults/pieces/fake-node.ts";
import { type LoneEdge, startLoneEdge } from "../support/lone-edge.ts";
import { RouteClient } from "../support/route-client.ts";
import { until } from "../support/until.ts";

const MODEL = "identity_fp32";
const ROUTE = "later";
const INFER = `/v2/models/${ROUTE}/infer`;

const answerSchema = z.object({
  model_name: z.string(),
  id: z.string().optional(),
  outputs: z.array(z.looseObject({ name: z.string(), data: z.array(z.number()) })),
});
const replySchema = z.object({ job: jobSchema, result: answerSchema.optional() });
const pageSchema = z.object({ items: z.array(jobSchema), next: z.string().nullable() });
const refusalSchema = z.looseObject({ code: z.string(), error: z.string() });
const usageSchema = z.looseObject({ items: z.array(z.looseObject({ requests: z.number(), rows: z.number() })) });

describe("a job", () => {
  const stateFolder = mkdtempSync(join(tmpdir(), "warmgate-jobs-"));
  let port: number;
  let edge: LoneEdge;
  let node: FakeNode | undefined;
  let client: RouteClient;
  let key: string;

  before(async () => {
    [port = 0] = await freePorts(1);
    await startEdge();
    key = await client.tenant("caller");
    await startNode();
    await client.putRoute(ROUTE, [contractWith([{ kind: "cached" }, { kind: "job" }])], { model: MODEL });
  });
  after(async () => {
    await node?.kill();
    await edge.stop();
    rmSync(stateFolder, { recursive: true, force: true });
  });

  const contractWith = (fallback: unknown) => ({
    ...{ contract: 1, split: { versions: [{ version: "1", weight: 1 }] }, fallback },
  });

  async function startEdge(): Promise<void> {
    edge = await startLoneEdge(stateFolder, { port });
    client = new RouteClient(edge);
  }

  async function startNode(script: Script = () => undefined): Promise<FakeNode> {
    const signingKeys = new StateFolder(stateFolder).secrets().poolSigningKeys;
    node = await startFakeNode({ name: "only", signingKeys, announceTo: edge.edgeUrl });
    node.script = script;
    const { url } = node;
    await until("the node to be known", async () =>
      (await client.nodes()).some((known) => known.url === url && known.live),
    );
    return node;
  }

  /** As a node that has just started. */
  const loadingItsModel: Script = ({ number }) =>
    number === 0 ? { kind: "refusal", code: "version_not_found" } : undefined;

  async function stopNode(): Promise<void> {
    await node?.kill();
    node = undefined;
  }

  const requestOf = (data: readonly number[], more: object = {}) =>
    JSON.stringify({ inputs: [{ name: "INPUT0", shape: [1, data.length], datatype: "FP32", data }], ...more });

  const ask = (body: string, headers: Readonly<Record<string, string>> = {}, by = key) =>
    client.call(INFER, { method: "POST", body, headers, key: by });

  async function queued(data: readonly number[], more: object = {}, by = key) {
    const reply = await ask(requestOf(data, more), {}, by);
    const text = await reply.text();
    assert.equal(reply.status, 202, text);
    return replySchema.parse(JSON.parse(text)).job;
  }

  async function show(id: string, by = key) {
    const reply = await client.call(`/v1/jobs/${id}`, { key: by });
    const content: unknown = JSON.parse(await reply.text());
    return {
      ...{ status: reply.status, headers: reply.headers, code: refusalSchema.safeParse(content).data?.code },
      ...replySchema.partial().parse(content),
    };
  }

  async function refusal(method: string, path: string, by = key) {
    const reply = await client.call(path, { method, key: by });
    const { code } = refusalSchema.parse(JSON.parse(await reply.text()));
    return { status: reply.status, code };
  }

  const done = (id: string) =>
    until("the job to be done", async () => {
      const shown = await show(id);
      return shown.job?.status !== "queued" && shown.job?.status !== "running" && shown;
    });

  /** A try of it may be under way at any moment, in vain. */
  const cancelled = (id: string, by = key) =>
    until("the job to be cancelled", async () => {
      const reply = await client.call(`/v1/jobs/${id}`, { method: "DELETE", key: by });
      await reply.arrayBuffer();
      return reply.status === 200;
    });

  const page = async (query = "", by = key) =>
    pageSchema.parse(JSON.parse(await (await client.call(`/v1/jobs${query}`, { key: by })).text()));

  test("has no part while the pool answers", async () => {
    const prompt = await client.tenant("prompt");
    const reply = await ask(requestOf([1]), {}, prompt);
    assert.deepEqual([reply.status, reply.headers.get("x-warmgate-degraded")], [200, null]);
    await reply.arrayBuffer();
    assert.deepEqual(await page("", prompt), { items: [], next: null });
  });

  test("is what a request becomes while the pool is down, and is shown only to its tenant", async () => {
    await stopNode();
    const reply = await ask(requestOf([2, 3], { id: "mine" }));
    const { job } = replySchema.parse(JSON.parse(await reply.text()));
    assert.equal(reply.status, 202);
    assert.equal(reply.headers.get("location"), `/v1/jobs/${job.id}`);
    assert.equal(reply.headers.get("x-warmgate-degraded"), "job");
    assert.match(reply.headers.get("retry-after") ?? "", /^[1-9]\d?$/);
    assert.match(reply.headers.get("cache-control") ?? "", /no-store/);
    assert.deepEqual([job.status, job.model], ["queued", ROUTE]);
    assert.ok(Date.parse(job.expires_at) - Date.parse(job.created_at) === 3_600_000);

    const other = await client.tenant("other");
    for (const path of [`/v1/jobs/${job.id}`, `/v1/jobs/${job.id}/result`]) {
      assert.deepEqual(await refusal("GET", path, other), { status: 404, code: "not_found" });
    }
    assert.deepEqual(await refusal("DELETE", `/v1/jobs/${job.id}`, other), { status: 404, code: "not_found" });
    assert.deepEqual((await page("", other)).items, []);
    const { key: blind } = await client.key("caller", { scopes: ["predict:another"] });
    assert.deepEqual(await refusal("GET", `/v1/jobs/${job.id}`, blind), { status: 403, code: "forbidden" });
    assert.deepEqual((await page("", blind)).items, []);
    const { key: overseer } = await client.key("caller", { scopes: ["jobs"] });
    assert.equal((await show(job.id, overseer)).job?.id, job.id);
  });

  test("survives a restart of the edge, and is done by itself when the pool is back", async () => {
    const first = await queued([4, 5]);
    const { items } = await page();
    await edge.stop();
    await startEdge();
    const served = await startNode(loadingItsModel);
    await until("both jobs to be run, though nobody asks for them", () => served.requests.length > items.length);
    assert.deepEqual(
      (await page()).items.map(({ id }) => id),
      items.map(({ id }) => id),
    );
    const { job, result } = await done(first.id);
    assert.equal(job?.status, "succeeded");
    assert.deepEqual(result?.outputs[0]?.data, [4, 5]);
    for (const { asked } of served.requests) assert.equal(asked.parameters.priority, 4);
    const nonces = served.requests.map(({ signed }) => signed.nonce);
    assert.equal(new Set(nonces).size, nonces.length);
  });

  test("answers in the words and the form of its request, and is metered when it is done", async () => {
    const { items } = await page();
    const [, earlier] = items;
    assert.ok(earlier);
    const { job, result } = await done(earlier.id);
    assert.deepEqual([job?.status, result?.model_name, result?.id], ["succeeded", ROUTE, "mine"]);
    const alone = await client.call(job?.links.result ?? "", { key });
    assert.deepEqual(answerSchema.parse(JSON.parse(await alone.text())), result);
    await until("its use to be told", async () => {
      const usage = usageSchema.parse(await client.change("GET", "/tenants/caller/usage?by=model"));
      return usage.items[0]?.requests === 2 && usage.items[0].rows === 2;
    });
  });

  test("that the model fails on fails with its code, and is not run again", async () => {
    await stopNode();
    const { id } = await queued([6]);
    const served = await startNode(() => ({ kind: "refusal", code: "model_failed" }));
    const { job } = await done(id);
    assert.deepEqual([job?.status, job?.error?.code], ["failed", "model_failed"]);
    assert.equal(served.requests.length, 1);
    assert.deepEqual(await refusal("GET", `/v1/jobs/${id}/result`), { status: 500, code: "model_failed" });
  });

  test("is not begun for what another run would not cure, for a pinned version, or where nothing may be stored", async () => {
    const failed = await ask(requestOf([7]));
    assert.equal(refusalSchema.parse(JSON.parse(await failed.text())).code, "model_failed");
    await stopNode();
    for (const headers of [{ "x-warmgate-version": "1" }, { "cache-control": "no-store" }]) {
      const refused = await ask(requestOf([8]), headers);
      assert.equal(refused.status, 503, JSON.stringify(headers));
      await refused.arrayBuffer();
    }
  });

  test("that runs while the edge ends is run again, and is metered once", async () => {
    await stopNode();
    const twice = await client.tenant("twice");
    const { id } = await queued([7, 8], {}, twice);
    const silent = await startNode(() => ({ kind: "hang" }));
    await until("its run to have begun", () => silent.requests.length > 0);
    assert.equal((await show(id, twice)).job?.status, "running");
    assert.deepEqual(await refusal("DELETE", `/v1/jobs/${id}`, twice), { status: 409, code: "job_not_cancellable" });
    await edge.stop();
    await stopNode();
    await startEdge();
    const served = await startNode();
    await until("it to be run again, though nobody asks for it", () => served.requests.length > 0);
    const { job, result } = await until("it to be done", async () => {
      const shown = await show(id, twice);
      return shown.job?.status === "succeeded" && shown;
    });
    assert.deepEqual(result?.outputs[0]?.data, [7, 8]);
    assert.ok((job?.attempts ?? 0) >= 2);
    const usage = usageSchema.parse(await client.change("GET", "/tenants/twice/usage?by=model"));
    assert.equal(usage.items[0]?.requests, 1);
    await stopNode();
  });

  test("has an input of megabytes and an answer as large, in binary form, and none beyond what is kept", async () => {
    const element = 1 / 3;
    const large = (elements: number, binaryOutput: boolean) => {
      const bytes = new Uint8Array(new Float32Array(elements).fill(element).buffer);
      const input = { name: "INPUT0", shape: [1, elements], datatype: "FP32", bytes } as const;
      const { body, headerLength } = encodeInferenceRequest({ parameters: {}, inputs: [input], binaryOutput });
      const headers = { [INFERENCE_HEADER_LENGTH]: String(headerLength) };
      return client.call(INFER, { method: "POST", body: new Uint8Array(body), headers, key });
    };
    const refused = await large(2_200_000, true);
    assert.equal(refused.status, 503);
    await refused.arrayBuffer();
    const jobs: string[] = [];
    for (const isBinary of [true, false]) {
      jobs.push(replySchema.parse(JSON.parse(await (await large(800_000, isBinary)).text())).job.id);
    }
    const [binary = "", json = ""] = jobs;
    await startNode();
    const { job, result } = await done(binary);
    assert.deepEqual([job?.status, result?.outputs[0]?.data.length], ["succeeded", 800_000]);
    const alone = await client.call(`/v1/jobs/${binary}/result`, { key });
    const body = new Uint8Array(await alone.arrayBuffer());
    const { outputs } = decodeInferenceResponse(body, alone.headers.get(INFERENCE_HEADER_LENGTH));
    const elements = new Float32Array(outputs[0]?.bytes.slice().buffer ?? assert.fail("there is no output"));
    assert.ok(elements.length === 800_000 && elements.every((value) => value === Math.fround(element)));
    const tooLarge = await done(json);
    assert.deepEqual([tooLarge.job?.status, tooLarge.job?.error?.code], ["failed", "job_result_too_large"]);
    await stopNode();
  });

  test("is cancelled while it waits, as often as is asked for, and not when it is done", async () => {
    const { id } = await queued([9]);
    assert.deepEqual(await refusal("GET", `/v1/jobs/${id}/result`), { status: 409, code: "job_without_result" });
    for (const _ of ["once", "twice"]) await cancelled(id);
    assert.equal((await show(id)).job?.status, "cancelled");
    const { items } = await page();
    const succeeded = items.find(({ status }) => status === "succeeded");
    const path = `/v1/jobs/${succeeded?.id}`;
    assert.deepEqual(await refusal("DELETE", path), { status: 409, code: "job_not_cancellable" });
    const unheardOf = "/v1/jobs/00000000-0000-4000-8000-000000000000";
    for (const none of [unheardOf, "/v1/jobs/x"]) {
      assert.deepEqual(await refusal("DELETE", none), { status: 404, code: "not_found" });
    }
  });

  test("is in the list, page by page, while new ones come", async () => {
    const { items } = await page();
    assert.ok(items.length >= 4);
    const first = await page("?limit=2");
    await queued([10]);
    const second = await page(`?limit=500&after=${first.next}`);
    assert.deepEqual(
      [...first.items, ...second.items].map(({ id }) => id),
      items.map(({ id }) => id),
    );
    assert.equal(second.next, null);
    assert.deepEqual(await refusal("GET", "/v1/jobs?after=x"), { status: 400, code: "invalid_request" });
    assert.deepEqual(await refusal("GET", "/v1/jobs?limit=501"), { status: 400, code: "invalid_request" });
  });

  test("is in the explanation of its request", async () => {
    const { key: explaining } = await client.key("caller", { scopes: ["predict:*", "explain"] });
    const reply = await ask(requestOf([11]), { "x-warmgate-explain": "1" }, explaining);
    await reply.arrayBuffer();
    const explanation: unknown = JSON.parse(reply.headers.get("x-warmgate-explanation") ?? "");
    const told = z.looseObject({ degraded: z.string(), fallback: z.array(z.string()) }).parse(explanation);
    assert.deepEqual([told.degraded, told.fallback], ["job", ["cached", "job"]]);
  });

  test("beyond what its tenant may have waiting is none: the refusal stands, and room comes back", async () => {
    const crowded = await client.tenant("crowded");
    const body = requestOf([12]);
    const statuses = new Map<number, number>();
    const count = async () => {
      const reply = await ask(body, {}, crowded);
      await reply.arrayBuffer();
      statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
    };
    for (let sent = 0; sent < 1_020; sent += 20) await Promise.all(Array.from({ length: 20 }, count));
    assert.deepEqual([...statuses].toSorted(), [
      [202, 1_000],
      [503, 20],
    ]);
    const [newest] = (await page("?limit=1", crowded)).items;
    assert.ok(newest);
    await cancelled(newest.id, crowded);
    assert.equal((await ask(body, {}, crowded)).status, 202);
  });

  test("as a step that is not the last is refused when the chain is set", async () => {
    const body = { revision: 0, model: MODEL, contracts: [contractWith([{ kind: "job" }, { kind: "cached" }])] };
    const { code, error } = await client.refused("PUT", "/routes/wrong", body);
    assert.equal(code, "invalid_configuration");
    assert.match(error, /step cached is behind a job/);
  });
});
