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
  type Catalogues,
  catalogueSchema,
  type DirectorySnapshot,
  directorySnapshotSchema,
  nodesOf,
} from "../../shared/protocol/directory-snapshot.ts";
import { type KnownNode, NODE_PATH, type NodeModel, poolNodeSchema } from "../../shared/protocol/pool-node.ts";
import type { Bindings, EdgeSettings } from "../environment.ts";
import { POOL_DIRECTORY_NAME } from "../objects/pool-directory.ts";
import { NodeStates } from "../pool/node-states.ts";
import { PoolView } from "../pool/pool-view.ts";
import { forward } from "./forward.ts";
import { PoolCopies } from "./pool-copies.ts";

/** The age from which a look is started, and the one from which it is waited for. */
const FRESH_MS = 1_000;
const OLD_MS = 1_400;
const WAIT_MS = 500;
const STEP_MS = 5;
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
  bindings: Bindings,
  keepAlive: (pending: Promise<unknown>) => void,
  now: number,
): Promise<PoolView | undefined> {
  const { poolNodes } = settings;
  const before = memo?.settings === settings ? memo.view : undefined;
  const copies = new PoolCopies(settings.environment, keepAlive);
  const name = `snapshot/${encodeURIComponent(poolNodes?.join() ?? "directory")}`;
  const kept = directorySnapshotSchema.safeParse(await copies.read(name));
  let snapshot = kept.success ? kept.data : undefined;
  let told: Catalogues = new Map();
  if (!snapshot || now - snapshot.takenAt > FRESH_MS) {
    const read = poolNodes
      ? askNodes(poolNodes, snapshot, settings, now)
      : directoryOf(bindings)
          .snapshot()
          .then((taken) => ({ taken, catalogues: told }));
    const fresh = await read.catch(() => undefined);
    if (fresh) {
      // By this clock: how old a view is must not depend on another machine's.
      snapshot = { ...fresh.taken, takenAt: now };
      told = fresh.catalogues;
      copies.write(name, snapshot);
    }
  }
  if (!snapshot) return undefined;
  const known = new Map(cataloguesIn(before));
  for (const [catalogue, models] of told) {
    if (!known.has(catalogue)) copies.write(`catalogue/${catalogue}`, models);
    known.set(catalogue, models);
  }
  const catalogues = await completed(known, snapshot, copies, (names) => directoryOf(bindings).catalogues(names));
  const view = new PoolView(nodesOf(snapshot, catalogues), snapshot.takenAt, before);
  nodeStates.follow(view);
  memo = { settings, view };
  return view;
}

function directoryOf({ POOL_DIRECTORY }: Bindings) {
  return POOL_DIRECTORY.getByName(POOL_DIRECTORY_NAME);
}

function cataloguesIn(view: PoolView | undefined): [string, readonly NodeModel[]][] {
  const nodes = [...(view?.nodes.values() ?? [])];
  return nodes.flatMap(({ catalogue, models }) => (models.length > 0 ? [[catalogue, models]] : []));
}

/**
 * What is known, with the catalogues of a snapshot that are not: from the data centre's copies, else from the directory. One that cannot
 * be had is left out until the next look.
 */
async function completed(
  known: Catalogues,
  { nodes }: DirectorySnapshot,
  copies: PoolCopies,
  ask: (names: string[]) => Promise<Record<string, readonly NodeModel[]>>,
): Promise<Catalogues> {
  const catalogues = new Map(known);
  const missing: string[] = [];
  for (const name of new Set(nodes.map(({ catalogue }) => catalogue))) {
    if (catalogues.has(name)) continue;
    const kept = catalogueSchema.safeParse(await copies.read(`catalogue/${name}`));
    if (kept.success) catalogues.set(name, kept.data);
    else missing.push(name);
  }
  if (missing.length === 0) return catalogues;
  const told = await ask(missing).catch(() => ({}));
  for (const [name, models] of Object.entries(told)) {
    catalogues.set(name, catalogueSchema.parse(models));
    copies.write(`catalogue/${name}`, models);
  }
  return catalogues;
}

/**
 * Asks each node what it is; one that cannot be asked is as it was, for its life.
 *
 * @throws Error when no node has ever answered
 */
async function askNodes(
  origins: readonly string[],
  before: DirectorySnapshot | undefined,
  settings: EdgeSettings,
  now: number,
): Promise<{ readonly taken: DirectorySnapshot; readonly catalogues: Catalogues }> {
  const known = new Map(before?.nodes.map((node) => [node.url, node]));
  const catalogues = new Map<string, readonly NodeModel[]>();
  const nodes = await Promise.all(
    origins.map(async (url) => {
      try {
        const { models, ...node } = await askNode(url, settings, now);
        catalogues.set(node.catalogue, models);
        return [node];
      } catch {
        const last = known.get(url);
        return last ? [{ ...last, live: last.live && now - last.seenAt <= NODE_LIFE_MS }] : [];
      }
    }),
  );
  if (nodes.flat().length === 0) throw new Error("no node has ever answered");
  return { taken: { takenAt: now, nodes: nodes.flat() }, catalogues };
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
