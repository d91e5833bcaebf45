/**
 * What all administration has in common: the scope `admin`, whose tenants a caller may see, checked bodies, one actor for the audit
 * log.
 *
 * An operator's keys administer every tenant. Any other tenant's `admin` keys administer their own: its keys, its usage, its log. For
 * them nothing else exists: other tenants' names and what only operators have are 404, as what is not there at all.
 */
import { type RouteConfig, z } from "@hono/zod-openapi";
import { type ErrorCode, WarmgateError } from "../../../shared/protocol/errors.ts";
import { TENANT_ID } from "../../../shared/protocol/tenant.ts";
import type { EdgeSettings } from "../../environment.ts";
import { readCapped } from "../../gate/body.ts";
import { requireScope } from "../../gate/identify.ts";
import { reply } from "../../gate/reply.ts";
import type { Actor } from "../../objects/control/audit.ts";
import type { Outcome } from "../../objects/control/outcome.ts";
import { CONTROL_PLANE_NAME } from "../../objects/control-plane.ts";
import { authenticate, withinLimits } from "../admission.ts";
import { addRoute, type EdgeApp, type EdgeContext, pathParameter, recordOf } from "../route.ts";
import { limitRefusals, refusals } from "../schemas.ts";

export interface AdminCall<Body> {
  readonly context: EdgeContext;
  readonly settings: EdgeSettings;
  readonly actor: Actor;
  /** The tenant in the path, "" in routes without one. */
  readonly tenant: string;
  readonly body: Body;
  readonly startedAt: number;
}

export interface AdminRoute<Body> extends Pick<RouteConfig, "method" | "path" | "summary" | "responses"> {
  /** `tenant`: about the tenant in the path, by its own admins too. `operator`: by operators only. */
  readonly by: "tenant" | "operator";
  readonly parameters?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType<Body>;
  readonly also?: readonly ErrorCode[];
}

export const ADMIN = "/admin/v1";
const LARGEST_BODY = 64 * 1024;
const BUDGET_MS = 10_000;

export const tenantPath = z.object({
  tenant: z.string().openapi({ param: { name: "tenant", in: "path" }, example: "acme" }),
});

export const pageQuery = {
  after: z.string().max(64).default("").openapi({ description: "`next` of the page before." }),
  limit: z.coerce.number().int().min(1).max(500).default(100),
};

export function addAdminRoute<Body = undefined>(
  app: EdgeApp,
  { by, parameters, query, body, also = [], responses, ...definition }: AdminRoute<Body>,
  handler: (call: AdminCall<Body>) => Promise<Response>,
): void {
  const request = {
    ...(parameters === undefined ? {} : { params: parameters }),
    ...(query === undefined ? {} : { query }),
    ...(body === undefined ? {} : { body: { required: true, content: { "application/json": { schema: body } } } }),
  };
  const config = {
    ...definition,
    tags: ["Administration"],
    security: [{ apiKey: [] }],
    request,
    responses: {
      ...responses,
      ...refusals("invalid_request", "unauthenticated", "forbidden", "not_found", ...also, ...limitRefusals),
    },
  };
  addRoute(app, config, async (context) => {
    const { settings, principal, startedAt } = await authenticate(context);
    const host = settings.adminHost;
    if (host !== undefined && new URL(context.req.url).hostname !== host) throw notFound();
    requireScope(principal, "admin");
    const record = recordOf(context);
    const tenant = pathParameter(context, "tenant");
    const own = tenant === principal.tenant;
    if (!principal.operator && (by === "operator" ? !own : !own || tenant === "")) throw notFound();
    if (!principal.operator && by === "operator") {
      throw new WarmgateError("forbidden", "only an operator of this deployment may do that");
    }
    if (tenant !== "" && !TENANT_ID.test(tenant)) throw notFound();
    record.mark("identify");
    // Administration counts for the rate, so that nobody drowns the control plane; no quota is used up by it.
    return withinLimits(context, principal, { units: 1, budgetMs: BUDGET_MS }, async () =>
      handler({
        ...{ context, settings, tenant, startedAt },
        actor: { id: principal.kid, tenant: principal.tenant, requestId: record.requestId },
        body: await readBody(context, body),
      }),
    );
  });
}

export function controlPlaneOf({ env }: EdgeContext) {
  return env.CONTROL_PLANE.getByName(CONTROL_PLANE_NAME);
}

/** What came of a change or a look-up, as a reply that carries the version which it made. */
export function outcomeReply<Value>(context: EdgeContext, outcome: Outcome<Value>, status = 200): Response {
  return valueReply(context, settled(context, outcome), status);
}

/** @throws WarmgateError what the control plane refused */
export function settled<Value>(context: EdgeContext, outcome: Outcome<Value>): Value {
  if ("refused" in outcome) throw new WarmgateError(outcome.refused, outcome.problems.join("; "));
  recordOf(context).configVersion = outcome.version;
  return outcome.value;
}

export function valueReply(context: EdgeContext, value: unknown, status = 200): Response {
  return reply({ body: new TextEncoder().encode(JSON.stringify(value)), status }, recordOf(context));
}

/** A page of a list, one more than which was asked for. @param key the field that lists are in the order of */
export function page<Item, Key extends keyof Item>(items: readonly Item[], limit: number, key: Key) {
  const more = items.length > limit;
  const shown = more ? items.slice(0, limit) : items;
  return { items: shown, next: more ? (shown.at(-1)?.[key] ?? null) : null };
}

export function pageSchema(item: z.ZodType) {
  return z.object({
    items: z.array(item),
    next: z.string().nullable().openapi({ description: "For `after`; null on the last page." }),
  });
}

/** @throws WarmgateError `invalid_request` naming each wrong field */
export function checked<Value>(schema: z.ZodType<Value>, given: unknown): Value {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => [path.join("."), message].filter(Boolean).join(": "));
  throw new WarmgateError("invalid_request", problems.join("; "));
}

async function readBody<Body>(context: EdgeContext, schema: z.ZodType<Body> | undefined): Promise<Body> {
  if (schema === undefined) return undefined as Body;
  const tooLarge = () => new WarmgateError("body_too_large", `the body is larger than ${LARGEST_BODY} bytes`);
  const bytes = await readCapped(context.req.raw, LARGEST_BODY, undefined, tooLarge);
  let given: unknown;
  try {
    given = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes));
  } catch {
    throw new WarmgateError("malformed_json", "the body is not valid JSON");
  }
  return checked(schema, given);
}

function notFound(): WarmgateError {
  return new WarmgateError("not_found", "there is no such tenant, or nothing of that name");
}
