/**
 * What the gate knows of the pool. Read once a second by each data centre, not by requests: a request finds what its isolate knows, and
 * starts a look when that is older.
 *
 *     the isolate's view  ->  the data centre's cache  ->  the directory (`objects/pool-directory.ts`), or each named node itself
 *
 * Promises: what could not be read anew keeps working, so that answers are found in the cache while all of the pool is down; a view is
 * no older than 1.5 s, and with it nobody is sent to a node that has been dead for 3 s, unless reading fails; no request waits for a look
 * longer than `WAIT_MS`.
 */
import {
  type DirectorySnapshot,
  directorySnapshotSchema,
  nodesOf,
  snapshotOf,
} from "../../shared/protocol/directory-snapshot.ts";
import { type KnownNode, NODE_PATH, poolNodeSchema } from "../../shared/protocol/pool-node.ts";
import type { Bindings, EdgeSettings } from "../environment.ts";
import { POOL_DIRECTORY_NAME } from "../objects/pool-directory.ts";
import { NodeStates } from "../pool/node-states.ts";
import { PoolView } from "../pool/pool-view.ts";
import { forward } from "./forward.ts";

/** The age from which a look is started, and the one from which it is waited for. */
const FRESH_MS = 1_000;
const OLD_MS = 1_400;
const WAIT_MS = 500;
const STEP_MS = 5;
const KEPT_SECONDS = 86_400;
/** A named node that could not be asked for so long is not there. */
const NODE_LIFE_MS = 1_500;

/** The last view; a value, so any request may use what another one made. */
let memo: { readonly settings: EdgeSettings; readonly view: PoolView } | undefined;
let lookedAt = Number.NEGATIVE_INFINITY;

/** What this isolate has found out itself about the nodes of the view. */
export const nodeStates = new NodeStates();

/** @returns undefined while nothing was ever heard of the pool */
export async function poolView(
  settings: EdgeSettings,
  bindings: Bindings,
  keepAlive: (pending: Promise<unknown>) => void,
  now: number,
): Promise<PoolView | undefined> {
  const known = memo?.settings === settings ? memo.view : undefined;
  const age = known ? now - known.takenAt : Number.POSITIVE_INFINITY;
  if (age <= FRESH_MS) return known;
  if (now - lookedAt <= FRESH_MS) return known ?? firstView(settings);
  lookedAt = now;
  const look = lookAtPool(settings, bindings, keepAlive, now).catch(() => known);
  keepAlive(look);
  if (age <= OLD_MS) return known;
  return Promise.race([look, scheduler.wait(WAIT_MS).then(() => known)]);
}

/** What another request of a new isolate is looking for; it cannot be awaited, so it is looked at again and again. */
async function firstView(settings: EdgeSettings): Promise<PoolView | undefined> {
  for (let waitedMs = 0; waitedMs < WAIT_MS; waitedMs += STEP_MS) {
    await scheduler.wait(STEP_MS);
    if (memo?.settings === settings) return memo.view;
  }
  return undefined;
}

async function lookAtPool(
  settings: EdgeSettings,
  { POOL_DIRECTORY }: Bindings,
  keepAlive: (pending: Promise<unknown>) => void,
  now: number,
): Promise<PoolView | undefined> {
  const { poolNodes, environment } = settings;
  // A name that only this Worker can ask for: the Cache API is keyed by URL, and no request reaches it from outside.
  const name = `https://pool-view.invalid/${environment}/${encodeURIComponent(poolNodes?.join() ?? "directory")}`;
  const cached = await caches.default.match(name);
  const kept = cached && directorySnapshotSchema.safeParse(await cached.json());
  let snapshot = kept?.success ? kept.data : undefined;
  if (!snapshot || now - snapshot.takenAt > FRESH_MS) {
    const read = poolNodes
      ? askNodes(poolNodes, snapshot, settings, now)
      : POOL_DIRECTORY.getByName(POOL_DIRECTORY_NAME).snapshot();
    const fresh = await read.catch(() => undefined);
    if (fresh) {
      // By this clock: how old a view is must not depend on another machine's.
      snapshot = { ...fresh, takenAt: now };
      const headers = { "cache-control": `max-age=${KEPT_SECONDS}` };
      keepAlive(caches.default.put(name, Response.json(snapshot, { headers })));
    }
  }
  if (!snapshot) return undefined;
  const before = memo?.settings === settings ? memo.view : undefined;
  const view = new PoolView(nodesOf(snapshot), snapshot.takenAt, before);
  nodeStates.follow(view);
  memo = { settings, view };
  return view;
}

/** @throws Error when no node has ever answered */
async function askNodes(
  origins: readonly string[],
  before: DirectorySnapshot | undefined,
  settings: EdgeSettings,
  now: number,
): Promise<DirectorySnapshot> {
  const known = new Map(before ? nodesOf(before).map((node) => [node.url, node]) : []);
  const answers = await Promise.all(
    origins.map((url) =>
      askNode(url, settings, now).catch((): KnownNode | undefined => {
        const last = known.get(url);
        return last && { ...last, live: last.live && now - last.seenAt <= NODE_LIFE_MS };
      }),
    ),
  );
  const nodes = answers.filter((node) => node !== undefined);
  if (nodes.length === 0) throw new Error("no node has ever answered");
  return snapshotOf(nodes, now);
}

async function askNode(url: string, settings: EdgeSettings, now: number): Promise<KnownNode> {
  const answer = await forward(
    {
      ...{ method: "GET", target: NODE_PATH, body: new Uint8Array(0), tenant: "", maxRows: 0 },
      ...{ budgetMs: FRESH_MS, requestId: crypto.randomUUID(), traceparent: "" },
    },
    url,
    settings,
    now,
  );
  const described = poolNodeSchema.parse(JSON.parse(new TextDecoder().decode(answer.body)));
  return { ...described, url, seenAt: now, live: described.ready, left: false };
}
