import { z } from "@hono/zod-openapi";
import { WarmgateError } from "../../../shared/protocol/errors.ts";
import { reply } from "../../gate/reply.ts";
import { USAGE_GROUPS, type UsageGroup, type UsageLine } from "../../objects/usage-ledger.ts";
import { type EdgeApp, recordOf } from "../route.ts";
import { json } from "../schemas.ts";
import { ADMIN, addAdminRoute, checked, controlPlaneOf, settled, tenantPath, valueReply } from "./admin-route.ts";

const HOUR_MS = 3_600_000;
const DEFAULT_HOURS = 30 * 24;

const query = z.object({
  from: z.iso
    .datetime({ offset: true })
    .or(z.iso.date())
    .optional()
    .openapi({ description: "Rounded down to the hour." }),
  to: z.iso.datetime({ offset: true }).or(z.iso.date()).optional().openapi({ description: "Rounded up to the hour." }),
  by: z.enum(USAGE_GROUPS).default("total"),
});

const lineSchema = z
  .object({
    model: z.string().optional(),
    hour: z.string().optional().openapi({ description: "When it began, in UTC." }),
    day: z.string().optional(),
    requests: z.int(),
    rows: z.int(),
    deviceMs: z.number().openapi({ description: "Milliseconds of the device: each request's share of its batch." }),
    cacheHits: z.int(),
  })
  .openapi("UsageLine");

export function addUsageRoutes(app: EdgeApp): void {
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: `${ADMIN}/tenants/{tenant}/usage`, by: "tenant", parameters: tenantPath, query },
      summary: "What a tenant has used; as CSV with `Accept: text/csv`",
      responses: {
        200: {
          description: "Answered requests, by whole hours.",
          content: {
            ...json(
              z.object({ from: z.string(), to: z.string(), by: z.enum(USAGE_GROUPS), items: z.array(lineSchema) }),
              "",
            ).content,
            "text/csv": { schema: { type: "string" } },
          },
        },
      },
    },
    async ({ context, tenant, startedAt }) => {
      settled(context, await controlPlaneOf(context).getTenant(tenant));
      const { from, to, by } = checked(query, context.req.query());
      const toHour = Math.ceil((to === undefined ? startedAt + 1 : Date.parse(to)) / HOUR_MS);
      const fromHour = from === undefined ? toHour - DEFAULT_HOURS : Math.floor(Date.parse(from) / HOUR_MS);
      if (fromHour >= toHour) throw new WarmgateError("invalid_request", "from must be before to");
      const lines = await context.env.USAGE_LEDGER.getByName(tenant).read(fromHour, toHour, by);
      const items = lines.map((line) => shown(line, by));
      if (/^text\/csv\b/.test(context.req.header("accept") ?? "")) {
        const body = new TextEncoder().encode(csv(items, by));
        return reply({ body, contentType: "text/csv; charset=utf-8" }, recordOf(context));
      }
      return valueReply(context, { from: iso(fromHour), to: iso(toHour), by, items });
    },
  );
}

type Shown = z.infer<typeof lineSchema>;

function shown({ model, hour, requests, rows, deviceMs, cacheHits }: UsageLine, by: UsageGroup): Shown {
  return {
    ...(model === undefined ? {} : { model }),
    ...(hour === undefined ? {} : by === "day" ? { day: iso(hour).slice(0, 10) } : { hour: iso(hour) }),
    ...{ requests, rows, deviceMs: Math.round(deviceMs * 1000) / 1000, cacheHits },
  };
}

/** RFC 4180; no field needs quotes, since model names and times have no commas. */
function csv(items: readonly Shown[], by: UsageGroup): string {
  const columns = [...(by === "total" ? [] : [by]), "requests", "rows", "deviceMs", "cacheHits"] as const;
  const lines = items.map((item) => columns.map((column) => item[column] ?? "").join(","));
  return `${[columns.join(","), ...lines].join("\r\n")}\r\n`;
}

function iso(hour: number): string {
  return new Date(hour * HOUR_MS).toISOString();
}
