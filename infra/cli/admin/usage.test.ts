import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { usage } from "./admin.ts";
import { typed, typedTo } from "./scripted-api.ts";

describe("usage", () => {
  const line = { model: "digits", requests: 1200, rows: 3400, deviceMs: 56.25, cacheHits: 7 };
  const reply = { from: "2026-12-25T00:00:00.000Z", to: "2027-01-01T00:00:00.000Z", by: "model", items: [line] };

  test("is a table, its period beside it", async (context) => {
    const { printed, noted, asked } = await typed(context, usage, "acme --by model --from 7d", reply);
    assert.equal(
      printed,
      "MODEL   REQUESTS   ROWS  DEVICE MS  CACHE HITS\ndigits     1,200  3,400      56.25           7",
    );
    assert.match(noted, /From 2026-12-25T00:00:00.000Z to 2027-01-01/);
    assert.equal(asked[0]?.url, "/admin/v1/tenants/acme/usage?by=model&from=2026-12-25T00%3A00%3A00.000Z");
  });

  test("is CSV as the server wrote it", async (context) => {
    const { printed, asked } = await typedTo(context, usage, "acme --csv", (_, response) =>
      response.writeHead(200, { "content-type": "text/csv; charset=utf-8" }).end("requests,rows\r\n1,2\r\n"),
    );
    assert.equal(printed, "requests,rows\r\n1,2");
    assert.equal(asked[0]?.headers.accept, "text/csv");
  });
});
