/**
 * What the gate knows of the pool: which models, in which versions, made of what. Asked of the pool once a second for each data
 * centre, not by requests: a request finds what its isolate knows, and starts a look at the pool when that is older.
 *
 * Promises: what could not be asked anew keeps working, so that answers are found in the cache while all of the pool is down; no
 * request waits for a look longer than `WAIT_MS`, and none at all for a pool that has just not answered.
 */
import {
  type KnownNode,
  knownNodeSchema,
  NODE_PATH,
  type NodeModel,
  poolNodeSchema,
} from "../../shared/protocol/pool-node.ts";
import type { EdgeSettings } from "../environment.ts";
import { forward } from "./forward.ts";

/** The age from which a look at the pool is started, and the one from which it is waited for. */
const FRESH_MS = 1_000;
const OLD_MS = 3_000;
const WAIT_MS = 500;
const KEPT_SECONDS = 86_400;

/** A node's models by name, versions from the newest down. */
export class PoolView {
  readonly node: KnownNode;
  readonly #versions = new Map<string, NodeModel[]>();

  constructor(node: KnownNode) {
    this.node = node;
    for (const model of node.models) {
      const versions = this.#versions.get(model.name);
      if (versions) versions.push(model);
      else this.#versions.set(model.name, [model]);
    }
    for (const versions of this.#versions.values()) versions.sort((a, b) => Number(b.version) - Number(a.version));
  }

  /** The version named, else the newest. */
  find(model: string, version?: string): NodeModel | undefined {
    const versions = this.#versions.get(model);
    return version === undefined ? versions?.[0] : versions?.find((one) => one.version === version);
  }
}

/** The last view, with the pool it is of; a value, so any request may use what another one made. */
let memo: { readonly poolUrl: string; readonly view: PoolView } | undefined;
let lookedAt = Number.NEGATIVE_INFINITY;

/** @returns undefined while nothing was ever heard of the pool */
export async function poolView(
  settings: EdgeSettings,
  keepAlive: (pending: Promise<unknown>) => void,
  now: number,
): Promise<PoolView | undefined> {
  const known = memo?.poolUrl === settings.poolUrl ? memo.view : undefined;
  const age = known ? now - known.node.seenAt : Number.POSITIVE_INFINITY;
  if (age <= FRESH_MS || now - lookedAt <= FRESH_MS) return known;
  lookedAt = now;
  const look = lookAtPool(settings, keepAlive, now).catch(() => known);
  if (age <= OLD_MS) {
    keepAlive(look);
    return known;
  }
  keepAlive(look);
  return Promise.race([look, scheduler.wait(WAIT_MS).then(() => known)]);
}

async function lookAtPool(
  settings: EdgeSettings,
  keepAlive: (pending: Promise<unknown>) => void,
  now: number,
): Promise<PoolView | undefined> {
  const { poolUrl, environment } = settings;
  // A name that only this Worker can ask for: the Cache API is keyed by URL, and no request reaches it from outside.
  const name = `https://pool-view.invalid/${environment}/${encodeURIComponent(poolUrl)}`;
  const cached = await caches.default.match(name);
  const kept = cached && knownNodeSchema.safeParse(await cached.json());
  let node = kept?.success ? kept.data : undefined;
  if (!node || now - node.seenAt > FRESH_MS) {
    const asked = await askPool(settings, now).catch(() => undefined);
    if (asked) {
      const headers = { "cache-control": `max-age=${KEPT_SECONDS}` };
      keepAlive(caches.default.put(name, Response.json(asked, { headers })));
    }
    node = asked ?? node;
  }
  if (!node) return undefined;
  const view = new PoolView(node);
  memo = { poolUrl, view };
  return view;
}

async function askPool(settings: EdgeSettings, now: number): Promise<KnownNode> {
  const answer = await forward(
    {
      ...{ method: "GET", target: NODE_PATH, body: new Uint8Array(0), tenant: "", maxRows: 0 },
      ...{ budgetMs: FRESH_MS, requestId: crypto.randomUUID(), traceparent: "" },
    },
    settings,
    now,
  );
  const described = poolNodeSchema.parse(JSON.parse(new TextDecoder().decode(answer.body)));
  return { ...described, url: settings.poolUrl, seenAt: now, live: described.ready };
}
