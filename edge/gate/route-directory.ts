/**
 * Which model routes there are, as the gate knows them: each by its name, so that what a request costs does not grow with their number.
 *
 *     the isolate's memo, 2 s, at the most 5 s  ->  the data centre's cache, 2 s  ->  the control plane, the truth
 *
 * Promises: a route is one document, so a change of it takes effect as a whole, everywhere within ten seconds; while the control plane
 * cannot be reached, what is known keeps working.
 */
import { z } from "zod";
import { type ModelRoute, modelRouteSchema } from "../../shared/protocol/model-route.ts";
import type { Bindings } from "../environment.ts";
import type { StoredRoute } from "../objects/control/model-routes.ts";
import { CONTROL_PLANE_NAME } from "../objects/control-plane.ts";

/** The age from which a route is read anew, and the one from which that is waited for. */
const FRESH_MS = 2_000;
const OLD_MS = 5_000;
const KEPT_SECONDS = 86_400;
const MOST_ROUTES = 10_000;

const keptSchema = z.object({
  readAt: z.number(),
  revision: z.int(),
  /** Null: there is no route of that name. */
  route: modelRouteSchema.nullable(),
});
export type KnownRoute = Readonly<z.infer<typeof keptSchema>>;

/** Values, so any request may use what another one read; what was read longest ago leaves first. */
const memo = new Map<string, { known: KnownRoute; readingSince: number }>();

/** @returns a route whose `route` is null where there is none of that name */
export async function findRoute(
  name: string,
  bindings: Bindings,
  keepAlive: (pending: Promise<unknown>) => void,
  now: number,
): Promise<KnownRoute> {
  const entry = memo.get(name);
  if (!entry) return read(name, bindings, keepAlive, now);
  const age = now - entry.known.readAt;
  if (age <= FRESH_MS || now - entry.readingSince <= FRESH_MS) return entry.known;
  entry.readingSince = now;
  const reading = read(name, bindings, keepAlive, now).catch(() => entry.known);
  if (age > OLD_MS) return reading;
  keepAlive(reading);
  return entry.known;
}

/**
 * Takes over what the control plane has said of a route. Whoever changes one tells it here as well, so that it takes effect at once where
 * it was changed.
 *
 * @param found null: there is none of that name
 */
export function noteRoute(
  name: string,
  found: StoredRoute | null,
  bindings: Bindings,
  keepAlive: (pending: Promise<unknown>) => void,
  now: number,
): KnownRoute {
  const known: KnownRoute = { readAt: now, revision: found?.revision ?? 0, route: found?.route ?? null };
  const headers = { "cache-control": `max-age=${KEPT_SECONDS}` };
  keepAlive(caches.default.put(keyOf(name, bindings), Response.json(known, { headers })));
  return remember(name, known);
}

async function read(
  name: string,
  bindings: Bindings,
  keepAlive: (pending: Promise<unknown>) => void,
  now: number,
): Promise<KnownRoute> {
  const cached = await caches.default.match(keyOf(name, bindings));
  const parsed = cached && keptSchema.safeParse(await cached.json());
  const kept = parsed?.success ? parsed.data : undefined;
  if (kept && now - kept.readAt <= FRESH_MS) return remember(name, kept);
  try {
    const found = await bindings.CONTROL_PLANE.getByName(CONTROL_PLANE_NAME).resolveRoute(name);
    return noteRoute(name, found, bindings, keepAlive, now);
  } catch (error) {
    if (!kept) throw error;
    return remember(name, kept);
  }
}

/** A name that only this Worker can ask for: the Cache API is keyed by URL, and no request reaches it from outside. */
function keyOf(name: string, { ENVIRONMENT }: Bindings): string {
  return `https://model-routes.invalid/${ENVIRONMENT}/${name}`;
}

function remember(name: string, known: KnownRoute): KnownRoute {
  memo.delete(name);
  memo.set(name, { known, readingSince: Number.NEGATIVE_INFINITY });
  if (memo.size > MOST_ROUTES) {
    const [oldest] = memo.keys();
    if (oldest !== undefined) memo.delete(oldest);
  }
  return known;
}

/** The contract that a caller names, else the oldest: what callers were written against does not change under them. */
export function contractOf({ contracts }: ModelRoute, asked: number | undefined) {
  if (asked !== undefined) return contracts.find(({ contract }) => contract === asked);
  return contracts.reduce((oldest, one) => (one.contract < oldest.contract ? one : oldest));
}
