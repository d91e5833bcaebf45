/** Model routes, rollouts and nodes as an operator sees them, and predictions with all that tests of them want to know. */
import { z } from "zod";
import { INFERENCE_HEADER_LENGTH } from "../../shared/protocol/headers.ts";
import { modelRouteSchema } from "../../shared/protocol/model-route.ts";
import { encodeInferenceRequest } from "../../shared/protocol/request.ts";
import { TenantClient } from "../tenants/tenant-client.ts";
import { WIDTH } from "./scaling-models.ts";

const explanationSchema = z.looseObject({
  route: z.object({ name: z.string(), revision: z.int(), contract: z.int().nullable() }).nullable(),
  version: z.looseObject({ model: z.string(), version: z.string().nullable(), rule: z.unknown() }).nullable(),
  node: z.looseObject({ chosen: z.string(), hardware: z.string(), shard: z.array(z.string()) }).nullable(),
  cache: z.object({ key: z.string().nullable(), status: z.string().nullable() }),
  limits: z.array(z.object({ kind: z.string(), account: z.string(), quota: z.number(), remaining: z.number() })),
  attempts: z.array(z.object({ node: z.string(), outcome: z.string(), ms: z.number() })),
  shed: z.object({ decision: z.string(), by: z.string(), code: z.string().optional() }).nullable(),
  degraded: z.string().nullable(),
});
export type Explanation = z.infer<typeof explanationSchema>;

const answerSchema = z.object({
  model_name: z.string(),
  model_version: z.string(),
  outputs: z.array(z.looseObject({ name: z.string(), data: z.array(z.number()).optional() })),
});
const refusalSchema = z.looseObject({ code: z.string(), error: z.string() });
const storedSchema = z.object({ route: modelRouteSchema, revision: z.int() });
const checkSchema = z.object({
  ...{ route: z.string(), contract: z.int(), model: z.string(), version: z.string(), compatible: z.boolean() },
  differences: z.array(z.looseObject({ kind: z.string(), tensor: z.string(), breaking: z.boolean() })),
});
const figures = z.record(z.string(), z.number());
const rolloutSchema = z.looseObject({
  ...{ id: z.string(), stable: z.string(), candidate: z.string(), state: z.string(), percentage: z.number(), figures },
  decisions: z.array(
    z.object({
      at: z.int(),
      rollout: z.string(),
      kind: z.string(),
      reason: z.string(),
      percentage: z.number(),
      figures,
    }),
  ),
});
export type Rollout = z.infer<typeof rolloutSchema>;
const nodesSchema = z.object({
  items: z.array(
    z.looseObject({
      ...{ node: z.string(), url: z.string(), hardware: z.string(), live: z.boolean(), left: z.boolean() },
      ...{ seenAt: z.number(), models: z.array(z.looseObject({ name: z.string(), version: z.string() })) },
    }),
  ),
});
const auditSchema = z.object({
  items: z.array(
    z.looseObject({
      ...{ actor: z.string(), action: z.string(), subject: z.string() },
      after: z.looseObject({ figures: figures.optional() }).nullable(),
    }),
  ),
});

export interface PredictionAsk {
  readonly key: string;
  /** One row of `x`. */
  readonly x: readonly number[];
  /** Named in the path. */
  readonly version?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly parameters?: Readonly<Record<string, number>>;
  readonly outputs?: readonly string[];
  /** Whether `x` is sent as binary tensor data. */
  readonly binary?: boolean;
  /** `infer` unless given. */
  readonly verb?: "infer" | "explain";
}

export interface Prediction {
  readonly status: number;
  readonly headers: Headers;
  /** Of a refusal. */
  readonly code: string | undefined;
  readonly error: string;
  readonly model: string | undefined;
  readonly version: string | undefined;
  /** Elements by the name of the output. */
  readonly outputs: Readonly<Record<string, readonly number[]>>;
  readonly cache: string;
  /** Of the header, or of a dry run. */
  readonly explanation: Explanation | undefined;
}

/** A row of `x`: no two alike, each an exact FP32, and all with their largest element first. */
export function row(which: number, width = WIDTH): number[] {
  return Array.from({ length: width }, (_, index) => (which + 1) / 2 ** index);
}

export class RouteClient extends TenantClient {
  /** Puts a route in the place of the one of that name, if there is one. */
  async putRoute(name: string, contracts: readonly unknown[], more: Readonly<Record<string, unknown>> = {}) {
    const before = await this.call(`/admin/v1/routes/${name}`);
    const text = await before.text();
    const revision = before.status === 404 ? 0 : storedSchema.parse(JSON.parse(text)).revision;
    return storedSchema.parse(await this.change("PUT", `/routes/${name}`, { revision, contracts, ...more }));
  }

  async route(name: string) {
    return storedSchema.parse(await this.change("GET", `/routes/${name}`));
  }

  /** Whether a version would keep the oldest contract of a route. */
  async check(route: string, version: string) {
    return checkSchema.parse(await this.change("GET", `/routes/${route}/check?version=${version}`));
  }

  async rollout(route: string, decisions = 100): Promise<Rollout> {
    return rolloutSchema.parse(await this.change("GET", `/routes/${route}/rollout?decisions=${decisions}`));
  }

  async startRollout(route: string, candidate: string, plan: unknown): Promise<Rollout> {
    return rolloutSchema.parse(await this.change("POST", `/routes/${route}/rollout`, { candidate, plan }));
  }

  /** What the log says of a route, newest first. */
  async auditOf(route: string) {
    const { items } = auditSchema.parse(await this.change("GET", "/audit?limit=500"));
    return items.filter(({ subject }) => subject === route);
  }

  async nodes() {
    return nodesSchema.parse(await this.change("GET", "/nodes")).items;
  }

  /** An operator's dry run of a tenant's request with this row of `x`. */
  async foretell(tenant: string, model: string, x: readonly number[]): Promise<Explanation> {
    const request = { inputs: [{ name: "x", shape: [1, x.length], datatype: "FP32", data: x }] };
    return explanationSchema.parse(await this.change("POST", `/tenants/${tenant}/models/${model}/explain`, request));
  }

  async infer(name: string, ask: PredictionAsk): Promise<Prediction> {
    const inPath = ask.version === undefined ? "" : `/versions/${ask.version}`;
    const path = `/v2/models/${name}${inPath}/${ask.verb ?? "infer"}`;
    const reply = await this.call(path, { method: "POST", key: ask.key, ...messageOf(ask) });
    const content: unknown = JSON.parse(await reply.text());
    const answer = answerSchema.safeParse(content).data;
    const refusal = refusalSchema.safeParse(content).data;
    const explanation = reply.headers.get("x-warmgate-explanation");
    return {
      ...{ status: reply.status, headers: reply.headers, code: refusal?.code, error: refusal?.error ?? "" },
      ...{ model: answer?.model_name, version: answer?.model_version },
      outputs: Object.fromEntries((answer?.outputs ?? []).map((output) => [output.name, output.data ?? []])),
      cache: reply.headers.get("cache-status") ?? "",
      explanation: explanationSchema.safeParse(explanation === null ? content : JSON.parse(explanation)).data,
    };
  }
}

function messageOf({ x, headers = {}, parameters = {}, outputs, binary = false }: PredictionAsk) {
  if (!binary) {
    const input = { name: "x", shape: [1, x.length], datatype: "FP32", data: x };
    const named = outputs?.map((name) => ({ name }));
    return { body: JSON.stringify({ parameters, inputs: [input], outputs: named }), headers };
  }
  const bytes = new Uint8Array(Float32Array.from(x).buffer);
  const input = { name: "x", shape: [1, x.length], datatype: "FP32", bytes } as const;
  const { body, headerLength } = encodeInferenceRequest({ parameters, inputs: [input], binaryOutput: false });
  const length = { [INFERENCE_HEADER_LENGTH]: String(headerLength) };
  return { body: new Uint8Array(body), headers: { ...headers, ...length } };
}
