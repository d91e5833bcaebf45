/** Who is in the pool, as this data centre knows it. */
import { z } from "@hono/zod-openapi";
import { nodeStates } from "../../gate/pool-view.ts";
import type { EdgeApp } from "../route.ts";
import { json } from "../schemas.ts";
import { ADMIN, addAdminRoute, valueReply } from "./admin-route.ts";
import { viewOf } from "./model-routes.ts";

const node = z
  .object({
    ...{ node: z.string(), url: z.string(), device: z.string(), hardware: z.string(), provider: z.string() },
    live: z.boolean().openapi({ description: "Requests are sent to it." }),
    ready: z.boolean().openapi({ description: "It took work when it last spoke." }),
    left: z.boolean().openapi({ description: "It has said goodbye." }),
    ejected: z.boolean().openapi({ description: "Left out by the isolate that answers this, for its failures." }),
    seenAt: z.number(),
    waitMs: z.number().openapi({ description: "What a request would wait there." }),
    models: z.array(z.object({ name: z.string(), version: z.string(), digest: z.string() })),
    breakers: z
      .array(z.object({ model: z.string(), state: z.enum(["closed", "open", "half_open"]), retryAfterMs: z.number() }))
      .openapi({ description: "Of the isolate that answers this: those that are open, or have been of late." }),
  })
  .openapi("Node");

export function addNodeRoutes(app: EdgeApp): void {
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: `${ADMIN}/nodes`, by: "operator" },
      summary: "The pool's nodes: where they are, what they have, whether they live",
      responses: {
        200: json(z.object({ items: z.array(node) }), "All nodes that are known, the dead of the last hour too."),
      },
      also: ["pool_unavailable"],
    },
    async ({ context, settings }) => {
      const { nodes } = await viewOf(context, settings);
      const ejected = nodeStates.ejected([...nodes.keys()], Date.now());
      const breakers = nodeStates.guards.breakers(Date.now());
      const items = [...nodes.values()].map((one) => ({
        ...{ node: one.node, url: one.url, device: one.device, hardware: one.hardware, provider: one.provider },
        ...{ live: one.live, ready: one.ready, left: one.left, ejected: ejected.has(one.node), seenAt: one.seenAt },
        waitMs: nodeStates.load(one).waitMs,
        models: one.models.map(({ name, version, digest }) => ({ name, version, digest })),
        breakers: breakers
          .filter(({ node: of }) => of === one.node)
          .map(({ model, state, retryAfterMs }) => ({ model, state, retryAfterMs })),
      }));
      return valueReply(context, { items });
    },
  );
}
