/**
 * Tenants at the edge, in numbers: what identifying and limiting a call adds to a Worker that does nothing, how exact a limit is that
 * eight isolates spend, and what a look-up costs as the control plane fills.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions } from "wrangler";
import { recordOf } from "../../infra/cli/local-tenants.ts";
import { freePorts } from "../../infra/cli/ports.ts";
import { bundleWorker } from "../../infra/workerd/bundle.ts";
import type { LocalControlPlane } from "../../infra/workerd/edge-server.ts";
import { type ApiKeyRecord, createApiKey, formatApiKey, importPepper } from "../../shared/protocol/api-key.ts";
import { DEFAULT_PLAN, type Tenant } from "../../shared/protocol/tenant.ts";
import { type LimitOverrides, UNLIMITED } from "../../shared/protocol/tenant-limits.ts";
import { type Comparison, compareAlternately, median } from "./compare.ts";

const PEPPER = randomBytes(32).toString("base64url");

/** The control plane as a bench reaches it. */
interface BenchControlPlane extends LocalControlPlane {
  resolveKey(kid: string): Promise<unknown>;
}

export interface Isolates {
  readonly ports: readonly number[];
  /** Of workerd. */
  readonly pid: number | undefined;
  readonly controlPlane: BenchControlPlane;
  key(limits: LimitOverrides): Promise<string>;
  dispose(): Promise<void>;
}

/** The same Worker several times over in one workerd, each an isolate of its own, before the same Durable Objects. */
export async function startIsolates(count: number): Promise<Isolates> {
  const ports = await freePorts(count);
  const folder = mkdtempSync(join(tmpdir(), "warmgate-tenants-"));
  const { workerOptions } = unstable_getMiniflareWorkerOptions(join(import.meta.dirname, "..", "..", "wrangler.toml"));
  const contents = await bundleWorker(join(import.meta.dirname, "identify-worker.js"));
  const bindings = {
    ...{ ENVIRONMENT: "local", POOL_NODES: "http://127.0.0.1:1", API_KEY_PEPPER: PEPPER },
    POOL_SIGNING_KEYS: `bench:${randomBytes(32).toString("base64url")}`,
  };
  const objects = {
    ...{ CONTROL_PLANE: "ControlPlane", TENANT_LIMITER: "TenantLimiter", USAGE_LEDGER: "UsageLedger" },
  };
  const owners = Object.fromEntries(
    Object.entries(objects).map(([name, className]) => [name, { className, useSQLite: true }]),
  );
  const borrowed = Object.fromEntries(
    Object.entries(objects).map(([name, className]) => [name, { className, useSQLite: true, scriptName: "isolate-0" }]),
  );
  const before = new Set(processesOfWorkerd());
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      cf: false,
      resourcePersistencePath: folder,
      handleStructuredLogs: () => undefined,
      workers: ports.map((port, index) => ({
        ...workerOptions,
        ...{ bindings, name: `isolate-${index}`, durableObjects: index === 0 ? owners : borrowed },
        modules: [{ type: "ESModule" as const, path: "index.js", contents }],
        unsafeDirectSockets: [{ host: "127.0.0.1", port }],
      })),
    }),
  );
  await miniflare.ready;
  const pid = processesOfWorkerd().find((found) => !before.has(found));
  const namespace = await miniflare.getDurableObjectNamespace("CONTROL_PLANE", "isolate-0");
  const controlPlane = namespace.get(namespace.idFromName("main")) as unknown as BenchControlPlane;
  const pepper = await importPepper(PEPPER);
  let tenants = 0;
  return {
    ports,
    pid,
    controlPlane,
    async key(limits) {
      const tenant = `bench-${tenants++}`;
      const key = await createApiKey("local", pepper, (bytes) => crypto.getRandomValues(bytes));
      const record = await recordOf(key, pepper, { tenant, name: "", scopes: ["predict:*"], createdAt: 0 });
      await controlPlane.seed({ tenants: [tenantOf(tenant, limits)], keys: [record] });
      return formatApiKey(key);
    },
    async dispose() {
      await miniflare.dispose();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Linux only; elsewhere CPU time is not told. */
function processesOfWorkerd(): number[] {
  if (!existsSync("/proc")) return [];
  const numbers = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return numbers.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "workerd";
    } catch {
      return false;
    }
  });
}

export interface IdentifyComparisons {
  /** Ours: identified and limited. Theirs: nothing. */
  readonly path: Comparison;
  /** The same with the headers that tell where the limits stand. */
  readonly told: Comparison;
}

export async function identifyAgainstNothing(connections: number, rounds: number): Promise<IdentifyComparisons> {
  const isolates = await startIsolates(1);
  try {
    const [port = 0] = isolates.ports;
    const key = await isolates.key({ rate: { perSecond: 50_000, burst: 50_000 }, quotaPerMonth: 1e12 });
    const head = `host: bench\r\nauthorization: Bearer ${key}\r\n\r\n`;
    const subject = (label: string, path: string) => ({
      ...{ label, port, pid: isolates.pid, request: Buffer.from(`GET ${path} HTTP/1.1\r\n${head}`) },
    });
    const nothing = subject("a constant", "/nothing");
    const run = { connections, rounds };
    return {
      path: await compareAlternately(subject("identified, limited", "/identified"), nothing, run),
      told: await compareAlternately(subject("and told the limits", "/told"), nothing, run),
    };
  } finally {
    await isolates.dispose();
  }
}

export interface LimitAccuracy {
  readonly perSecond: number;
  readonly burst: number;
  readonly seconds: number;
  readonly offered: number;
  readonly admitted: number;
  readonly other: number;
  /** Admitted over `burst + perSecond * seconds`. */
  readonly share: number;
}

/** Five times the limit for a minute, spread over eight isolates. */
export async function limitAccuracy(perSecond: number, burst: number, seconds: number): Promise<LimitAccuracy> {
  const isolates = await startIsolates(8);
  try {
    const key = await isolates.key({ rate: { perSecond, burst } });
    const headers = { authorization: `Bearer ${key}` };
    const counts = { offered: 0, admitted: 0, other: 0 };
    const startedAt = performance.now();
    const pending = new Set<Promise<void>>();
    // An open loop: what is offered does not wait for what is answered.
    while (performance.now() - startedAt < seconds * 1000) {
      const due = Math.floor(((performance.now() - startedAt) / 1000) * 5 * perSecond);
      while (counts.offered < due) {
        const port = isolates.ports[counts.offered++ % isolates.ports.length];
        const call = fetch(`http://127.0.0.1:${port}/identified`, { headers }).then(
          async (reply) => {
            await reply.arrayBuffer();
            if (reply.status === 200) counts.admitted++;
            else if (reply.status !== 429) counts.other++;
          },
          () => void counts.other++,
        );
        pending.add(call);
        call.finally(() => pending.delete(call));
      }
      await sleep(2);
    }
    await Promise.all(pending);
    const tookSeconds = (performance.now() - startedAt) / 1000;
    const allowed = burst + perSecond * tookSeconds;
    return { ...{ perSecond, burst, seconds: tookSeconds }, ...counts, share: counts.admitted / allowed };
  } finally {
    await isolates.dispose();
  }
}

export interface LookUps {
  readonly keys: number;
  readonly tenants: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

const KEYS_A_BATCH = 2_000;
const LOOK_UPS = 500;

/** What a look-up in the control plane costs as it fills, ten keys a tenant. */
export async function lookUpsByKeys(sizes: readonly number[]): Promise<LookUps[]> {
  const isolates = await startIsolates(1);
  try {
    const template = await sampleRecord();
    const results: LookUps[] = [];
    let keys = 0;
    for (const size of sizes) {
      while (keys < size) {
        const batch = Math.min(KEYS_A_BATCH, size - keys);
        const numbers = Array.from({ length: batch }, (_, index) => keys + index);
        await isolates.controlPlane.seed({
          tenants: numbers.filter((number) => number % 10 === 0).map((number) => tenantOf(tenantName(number), {})),
          keys: numbers.map((number) => ({ ...template, kid: kidOf(number), tenant: tenantName(number) })),
        });
        keys += batch;
      }
      const times: number[] = [];
      for (let count = 0; count < LOOK_UPS; count++) {
        const kid = kidOf(Math.floor(Math.random() * keys));
        const startedAt = performance.now();
        if ((await isolates.controlPlane.resolveKey(kid)) === null) throw new Error(`the key ${kid} is not there`);
        times.push(performance.now() - startedAt);
      }
      times.sort((a, b) => a - b);
      const p99Ms = times[Math.floor(0.99 * times.length)] ?? 0;
      results.push({ keys, tenants: Math.ceil(keys / 10), medianMs: median(times), p99Ms });
    }
    return results;
  } finally {
    await isolates.dispose();
  }
}

async function sampleRecord(): Promise<ApiKeyRecord> {
  const pepper = await importPepper(PEPPER);
  const key = await createApiKey("local", pepper, (bytes) => crypto.getRandomValues(bytes));
  return recordOf(key, pepper, { tenant: "bench", name: "", scopes: ["predict:*"], createdAt: 0 });
}

/** Spread over the index, as random ids are. */
function kidOf(number: number): string {
  return ((number * 2_654_435_761) % 4_294_967_296).toString(36).padStart(10, "0");
}

function tenantName(number: number): string {
  return `tenant-${Math.floor(number / 10)}`;
}

function tenantOf(id: string, limits: LimitOverrides): Tenant {
  return {
    id,
    plan: DEFAULT_PLAN,
    limits: { ...UNLIMITED, ...limits },
    operator: false,
    suspended: false,
    createdAt: 0,
  };
}
