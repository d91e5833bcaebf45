import type { ErrorKind } from "../../shared/protocol/errors.ts";

/** Starts Swagger UI on this deployment's own description; the validator it would ask by default is another host's. */
export const START_SCRIPT = `window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#reference",
    deepLinking: true,
    validatorUrl: null,
    tryItOutEnabled: true,
    persistAuthorization: false,
    defaultModelsExpandDepth: 0,
  });
});
`;

export function referencePage(): string {
  return html(
    "Warmgate API",
    `<link rel="stylesheet" href="/docs/swagger-ui.css">
<script src="/docs/swagger-ui-bundle.js" defer></script>
<script src="/docs/start.js" defer></script>`,
    `<div id="reference"></div>
<noscript><p>This page needs JavaScript. The description itself is at <a href="/openapi.json">/openapi.json</a>.</p></noscript>`,
  );
}

export function errorPage(kinds: readonly (readonly [code: string, kind: ErrorKind])[]): string {
  const rows = kinds.map(
    ([code, { status, meaning, remedy }]) => `<tr id="${escapeHtml(code)}">
<td><a href="/docs/errors/${escapeHtml(code)}"><code>${escapeHtml(code)}</code></a></td>
<td class="status">${status}</td>
<td><p>${escapeHtml(meaning)}</p><p class="remedy">${escapeHtml(remedy)}</p></td>
</tr>`,
  );
  return html(
    "Warmgate errors",
    `<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.6rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .6rem .8rem; border-top: 1px solid #d8dee4; }
td p { margin: 0; }
td a { color: #0b5cad; text-decoration: none; white-space: nowrap; }
.status { font-variant-numeric: tabular-nums; }
.remedy { color: #57606a; }
pre { background: #f6f8fa; padding: .8rem 1rem; border-radius: 6px; overflow-x: auto; }
</style>`,
    `<h1>Errors</h1>
<p>Every refusal has this shape, with the content type <code>application/json</code>. A code never changes its meaning or its status.</p>
<pre>{ "error": "text for people", "code": "stable_code", "request_id": "for the log" }</pre>
<p>A 429 or 503 says in <code>Retry-After</code> when to send again. <a href="/docs">API reference</a> · <a href="/docs/errors">All codes</a></p>
<table>
<thead><tr><th>Code</th><th>Status</th><th>What it means, and what to do</th></tr></thead>
<tbody>${rows.join("\n")}</tbody>
</table>`,
  );
}

function html(title: string, head: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
${head}
</head>
<body>
${body}
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
