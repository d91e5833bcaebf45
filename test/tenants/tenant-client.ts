/** Administration and predictions as the tests of tenants make them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { LimitOverrides } from "../../shared/protocol/tenant-limits.ts";
import { PROJECT, type TestStack } from "../support/stack.ts";

export const SEVEN = readFileSync(
  join(PROJECT, "gpu-pool", "models", "digits", "examples", "seven.json"),
  "utf8",
).trim();
export const PREDICT = "/v2/models/digits/infer";

const newKeySchema = z.looseObject({ kid: z.string(), key: z.string() });

export class TenantClient {
  readonly #stack: Pick<TestStack, "edgeUrl" | "adminKey">;

  constructor(stack: Pick<TestStack, "edgeUrl" | "adminKey">) {
    this.#stack = stack;
  }

  /** A call with an API key, the operator's unless another is given. */
  call(
    path: string,
    { key = this.#stack.adminKey, ...init }: RequestInit & { key?: string | null } = {},
  ): Promise<Response> {
    const headers = new Headers(init.headers);
    if (key !== null) headers.set("authorization", `Bearer ${key}`);
    if (init.body !== undefined) headers.set("content-type", "application/json");
    return fetch(this.#stack.edgeUrl + path, { ...init, headers });
  }

  /** A change that must be taken. */
  async change(method: string, path: string, body?: unknown, key?: string): Promise<unknown> {
    const reply = await this.call(`/admin/v1${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(key === undefined ? {} : { key }),
    });
    const text = await reply.text();
    assert.ok(reply.ok, `${method} ${path}: ${reply.status} ${text}`);
    return JSON.parse(text);
  }

  /** A change that must be refused; its code and text. */
  async refused(method: string, path: string, body?: unknown, key?: string) {
    const reply = await this.call(`/admin/v1${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(key === undefined ? {} : { key }),
    });
    const text = await reply.text();
    assert.ok(!reply.ok, `${method} ${path} was taken: ${text}`);
    const { code, error } = z.looseObject({ code: z.string(), error: z.string() }).parse(JSON.parse(text));
    return { status: reply.status, code, error };
  }

  /** A tenant with these limits and none of the plan's, and a key of it. */
  async tenant(id: string, limits: LimitOverrides = {}, scopes: readonly string[] = ["predict:*"]): Promise<string> {
    await this.change("POST", "/tenants", { id, limits: { rate: null, concurrency: null, ...limits } });
    return (await this.key(id, { scopes })).key;
  }

  async key(tenant: string, fields: Record<string, unknown> = { scopes: ["predict:*"] }) {
    return newKeySchema.parse(await this.change("POST", `/tenants/${tenant}/keys`, fields));
  }

  predict(key: string | null, init: RequestInit = {}): Promise<Response> {
    return this.call(PREDICT, { method: "POST", body: SEVEN, key, ...init });
  }

  /** The status of a prediction. */
  async status(key: string | null): Promise<number> {
    const reply = await this.predict(key);
    await reply.arrayBuffer();
    return reply.status;
  }
}
