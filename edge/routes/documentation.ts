/**
 * The API's documentation, served by the Worker alone: nothing on these pages comes from another host, and the content
 * security policy holds them to that.
 */

import swaggerStyle from "swagger-ui-dist/swagger-ui.css";
import swaggerScript from "swagger-ui-dist/swagger-ui-bundle.js";
import packageJson from "../../package.json";
import { ERROR_KINDS, WarmgateError } from "../../shared/protocol/errors.ts";
import { errorPage, referencePage, START_SCRIPT } from "./documentation-pages.ts";
import { type EdgeApp, pathParameter, recordOf } from "./route.ts";

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const DOCUMENT = {
  openapi: "3.1.0",
  info: {
    title: "Warmgate",
    version: packageJson.version,
    description:
      "Predictions of ONNX models over the [Open Inference Protocol v2](https://github.com/kserve/open-inference-protocol), " +
      "with the binary tensor data extension.\n\nEvery refusal has the same shape and a stable code: see [the list](/docs/errors).",
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  servers: [{ url: "/", description: "This deployment" }],
  tags: [
    { name: "Inference", description: "Running models." },
    { name: "Jobs", description: "Predictions that are made later, where a route's fallback chain ends with a job." },
    { name: "Models", description: "What models take and give." },
    { name: "Administration", description: "Tenants, keys, limits and usage; needs the scope `admin`." },
    { name: "Health", description: "For probes; no API key needed." },
  ],
};

export function addDocumentationRoutes(app: EdgeApp): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "apiKey", {
    type: "http",
    scheme: "bearer",
    description: "An API key: wg_...",
  });
  app.get("/openapi.json", (context) =>
    noted(context.json(app.getOpenAPI31Document(DOCUMENT)), recordOf(context), "/openapi.json"),
  );
  const pages: readonly (readonly [path: string, type: string, content: string])[] = [
    ["/docs", "text/html; charset=utf-8", referencePage()],
    ["/docs/start.js", "text/javascript; charset=utf-8", START_SCRIPT],
    ["/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8", swaggerScript],
    ["/docs/swagger-ui.css", "text/css; charset=utf-8", swaggerStyle],
    ["/docs/errors", "text/html; charset=utf-8", errorPage(Object.entries(ERROR_KINDS))],
  ];
  for (const [path, type, content] of pages) {
    app.get(path, (context) => noted(page(type, content), recordOf(context), path));
  }
  app.get("/docs/errors/:code", (context) => {
    const code = pathParameter(context, "code");
    const found = Object.entries(ERROR_KINDS).filter(([name]) => name === code);
    if (found.length === 0) throw new WarmgateError("not_found", "there is no such error code");
    return noted(page("text/html; charset=utf-8", errorPage(found)), recordOf(context), "/docs/errors/{code}");
  });
}

function page(type: string, content: string): Response {
  return new Response(content, {
    headers: {
      "content-type": type,
      "content-security-policy": POLICY,
      "cache-control": "public, max-age=300",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    },
  });
}

function noted(response: Response, record: { route: string }, route: string): Response {
  record.route = route;
  return response;
}
