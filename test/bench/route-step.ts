/**
 * What routing a request costs an isolate, by how many routes and nodes there are: choosing a version and a node from what is known, and
 * taking in the pool's newest snapshot, which happens once a second.
 */
import { chooseNode, type NodeChoice } from "../../edge/pool/choose-node.ts";
import { NodeStates } from "../../edge/pool/node-states.ts";
import { PoolView } from "../../edge/pool/pool-view.ts";
import { chooseVersion } from "../../shared/control/routing/version-choice.ts";
import { directorySnapshotSchema, nodesOf, snapshotOf } from "../../shared/protocol/directory-snapshot.ts";
import type { ModelRoute } from "../../shared/protocol/model-route.ts";
import { priorityClass } from "../../shared/protocol/priority.ts";
import { DEFAULT_PLAN } from "../../shared/protocol/tenant.ts";
import { seededRandom } from "./arrivals.ts";
import { median } from "./compare.ts";
import { nodesOfSize, type PoolSize, routeOf } from "./route-pool.ts";

/** A node has a thousand routes' models at the most: what it announces is limited. */
const SIZES: readonly PoolSize[] = [
  { routes: 10, nodes: 4, catalogues: 1, replicas: 1 },
  { routes: 1_000, nodes: 100, catalogues: 1, replicas: 1 },
  { routes: 10_000, nodes: 1_000, catalogues: 10, replicas: 1 },
];
/** No two nodes have the same models. */
const ALL_DIFFERENT: PoolSize = { routes: 10_000, nodes: 1_000, catalogues: 1_000, replicas: 10 };

const TENANTS = 100;
/** With all of many there are more pairs of tenant and model than an isolate remembers. */
const ROUTES_OF_TENANT = [10, Number.POSITIVE_INFINITY];
const STEPS = 5_000;
const WARM_UP_STEPS = 20_000;
const FIRST_STEPS = 100;

export interface StepFigures extends PoolSize {
  /** How many one tenant calls. */
  readonly routesOfTenant: number;
  /** Of one step; medians over the rounds. */
  readonly p50Microseconds: number;
  readonly p99Microseconds: number;
  /** The p50 over the smallest size's in the same round; the median over the rounds. */
  readonly ratio: number;
}

interface TakenIn {
  readonly megabytes: number;
  readonly parseMs: number;
  readonly checkMs: number;
  /** The view that is made of it, and what is known of its nodes brought along. */
  readonly viewMs: number;
  /** A step for a model that no other has been for since. */
  readonly firstStepMicroseconds: number;
}

/** Medians over the rounds. */
export interface SnapshotFigures extends PoolSize, TakenIn {}

interface Isolate {
  readonly size: PoolSize;
  readonly routesOfTenant: number;
  readonly routes: ReadonlyMap<string, ModelRoute>;
  readonly states: NodeStates;
  readonly random: () => number;
  view: PoolView;
}

interface Ask {
  readonly route: string;
  readonly tenant: string;
}

/** Every size in turns, so that what else the machine does meets all of them. */
export function routeSteps(rounds: number): StepFigures[] {
  return ROUTES_OF_TENANT.flatMap((most) => {
    const isolates = SIZES.map((size) => isolateOf(size, most));
    for (const isolate of isolates) timesOf(isolate, WARM_UP_STEPS);
    const measured = inTurns(isolates, rounds, (isolate) => {
      const times = timesOf(isolate, STEPS).sort();
      const at = (share: number) => times[Math.floor(share * times.length)] ?? Number.NaN;
      return { p50: at(0.5), p99: at(0.99) };
    });
    return isolates.map(({ size, routesOfTenant }, index) => {
      const own = measured[index] ?? [];
      return {
        ...{ ...size, routesOfTenant },
        p50Microseconds: median(own.map(({ p50 }) => p50)),
        p99Microseconds: median(own.map(({ p99 }) => p99)),
        ratio: median(own.map(({ p50 }, round) => p50 / (measured[0]?.[round]?.p50 ?? Number.NaN))),
      };
    });
  });
}

export function snapshots(rounds: number): SnapshotFigures[] {
  const isolates = [...SIZES, ALL_DIFFERENT].map((size) => isolateOf(size, Number.POSITIVE_INFINITY));
  for (const isolate of isolates) takeIn(isolate, 1);
  const measured = inTurns(isolates, rounds, (isolate, round) => takeIn(isolate, round + 2));
  return isolates.map(({ size }, index) => {
    const middle = (name: keyof TakenIn) => median((measured[index] ?? []).map((figures) => figures[name]));
    return {
      ...{ ...size, megabytes: middle("megabytes"), parseMs: middle("parseMs"), checkMs: middle("checkMs") },
      ...{ viewMs: middle("viewMs"), firstStepMicroseconds: middle("firstStepMicroseconds") },
    };
  });
}

/** What was measured of each isolate, round by round. */
function inTurns<Figures>(
  isolates: readonly Isolate[],
  rounds: number,
  measure: (isolate: Isolate, round: number) => Figures,
): readonly (readonly Figures[])[] {
  const measured = isolates.map((): Figures[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, isolate] of isolates.entries()) measured[index]?.push(measure(isolate, round));
  }
  return measured;
}

/** What an isolate does with what the data centre's cache has (`edge/gate/pool-view.ts`), and with the requests that come next. */
function takeIn(isolate: Isolate, now: number): TakenIn {
  const text = JSON.stringify(snapshotOf(isolate.view.nodes.values(), now));
  // What they are named after does not change, so they are known after the first snapshot of a pool.
  const catalogues = new Map([...isolate.view.nodes.values()].map(({ catalogue, models }) => [catalogue, models]));
  const { routes } = isolate.size;
  const count = Math.min(FIRST_STEPS, routes);
  const asks = Array.from({ length: count }, (_, index) => ({
    route: `route-${index * Math.floor(routes / count)}`,
    tenant: `tenant-${index % TENANTS}`,
  }));
  // Their shards are known, as they are after the first snapshot of a pool.
  for (const ask of asks) step(isolate, ask);
  const startedAt = performance.now();
  const given: unknown = JSON.parse(text);
  const parsedAt = performance.now();
  const snapshot = directorySnapshotSchema.parse(given);
  const checkedAt = performance.now();
  isolate.view = new PoolView(nodesOf(snapshot, catalogues), now, isolate.view);
  isolate.states.follow(isolate.view);
  const viewedAt = performance.now();
  const firstSteps = asks.map((ask) => timed(() => step(isolate, ask)).microseconds);
  return {
    megabytes: text.length / 1e6,
    parseMs: parsedAt - startedAt,
    checkMs: checkedAt - parsedAt,
    viewMs: viewedAt - checkedAt,
    firstStepMicroseconds: median(firstSteps),
  };
}

function isolateOf(size: PoolSize, mostOfTenant: number): Isolate {
  const routes = Array.from({ length: size.routes }, (_, index) => routeOf(index));
  return {
    ...{ size, routesOfTenant: Math.min(size.routes, mostOfTenant), random: seededRandom(1) },
    routes: new Map(routes.map((route) => [route.name, route])),
    states: new NodeStates(),
    view: new PoolView(nodesOfSize(size), 0),
  };
}

/** In microseconds. */
function timesOf(isolate: Isolate, steps: number): Float64Array {
  const { states, random } = isolate;
  return Float64Array.from({ length: steps }, () => {
    const ask = someAsk(isolate);
    const { value, microseconds } = timed(() => step(isolate, ask));
    const { node } = value.node;
    states.begun(node);
    states.told(node, 10 * random(), 1);
    states.ended(node, "answered", 5 * random(), 1);
    return microseconds;
  });
}

function someAsk({ size, routesOfTenant, random }: Isolate): Ask {
  const tenant = Math.floor(random() * TENANTS);
  const route = (tenant * routesOfTenant + Math.floor(random() * routesOfTenant)) % size.routes;
  return { route: `route-${route}`, tenant: `tenant-${tenant}` };
}

/** As `route` and `nodeFor` of `edge/gate` do it, between what they read of a request and what they make of the choice. */
function step({ routes, view, states, random }: Isolate, { route: name, tenant }: Ask): NodeChoice {
  const route = routes.get(name);
  const [contract] = route?.contracts ?? [];
  if (!route || !contract) throw new Error(`there is no ${name}`);
  const choice = chooseVersion(contract, {
    ...{ route: name, pin: undefined, tenant, plan: DEFAULT_PLAN, keyOf: () => tenant },
    priority: priorityClass({}),
    has: (version) => view.capability(route.model, version) !== undefined,
  });
  const capability = choice && view.capability(route.model, choice.version);
  const node = capability && chooseNode(view, capability, { tenant, hardware: choice.hardware }, states, random, 1);
  if (!node || !("node" in node)) throw new Error(`nobody has what ${name} stands for`);
  return node;
}

function timed<Value>(run: () => Value): { readonly value: Value; readonly microseconds: number } {
  const startedAt = performance.now();
  const value = run();
  return { value, microseconds: 1_000 * (performance.now() - startedAt) };
}

export function printRouteSteps(results: readonly StepFigures[]): void {
  console.log(`  ${"".padEnd(50)} p50 us    p99 us   p50 over the smallest's`);
  for (const { p50Microseconds, p99Microseconds, ratio, ...size } of results) {
    const label = `${sizeText(size)}, ${whole(size.routesOfTenant)} a tenant`;
    const figures = [p50Microseconds.toFixed(1).padStart(6), p99Microseconds.toFixed(1).padStart(9)];
    console.log(`  ${label.padEnd(50)} ${figures.join(" ")}   ${ratio.toFixed(2).padStart(6)}`);
  }
}

export function printSnapshots(results: readonly SnapshotFigures[]): void {
  console.log(`  ${"".padEnd(50)}     MB  parse ms  check ms   view ms   first step us`);
  for (const { megabytes, parseMs, checkMs, viewMs, firstStepMicroseconds, ...size } of results) {
    const label = `${sizeText(size)}, lists of models: ${whole(size.catalogues)}`;
    const times = [parseMs, checkMs, viewMs].map((ms) => ms.toFixed(1).padStart(9));
    const first = firstStepMicroseconds.toFixed(1).padStart(15);
    console.log(`  ${label.padEnd(50)} ${megabytes.toFixed(2).padStart(6)} ${times.join(" ")} ${first}`);
  }
}

function sizeText({ routes, nodes }: PoolSize): string {
  return `${whole(routes)} routes, ${whole(nodes)} nodes`;
}

function whole(count: number): string {
  return count.toLocaleString("en");
}
