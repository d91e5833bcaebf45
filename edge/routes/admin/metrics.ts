/** What the isolate that answers has counted, for Prometheus to scrape with an operator's key. */
import { z } from "@hono/zod-openapi";
import { answerBytes, requestBytes } from "../../gate/held-bytes.ts";
import { nodeStates } from "../../gate/pool-view.ts";
import { reply } from "../../gate/reply.ts";
import { EdgeMetrics } from "../../telemetry/edge-metrics.ts";
import { type EdgeApp, recordOf } from "../route.ts";
import { ADMIN, addAdminRoute } from "./admin-route.ts";

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export const edgeMetrics = new EdgeMetrics();

export function addMetricsRoute(app: EdgeApp): void {
  addAdminRoute(
    app,
    {
      ...{ method: "get", path: `${ADMIN}/metrics`, by: "operator" },
      summary: "Counts, times and breakers of the isolate that answers, in Prometheus' text format",
      responses: {
        200: { description: "The metrics.", content: { "text/plain": { schema: z.string() } } },
      },
    },
    async ({ context }) => {
      const body = edgeMetrics.exposition({
        breakers: nodeStates.guards.breakers(Date.now()),
        heldBytes: { requests: requestBytes.held, answers: answerBytes.held },
        liveNodes: nodeStates.liveNodes,
      });
      return reply({ body: new TextEncoder().encode(body), contentType: CONTENT_TYPE }, recordOf(context));
    },
  );
}
