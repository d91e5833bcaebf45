/** What `npm start` says once everything is ready: where things are, and one line that can be pasted. */
import { z } from "zod";
import { exampleRequest } from "./example-request.ts";
import type { Stack } from "./stack.ts";

const indexSchema = z.array(z.object({ name: z.string(), version: z.string(), state: z.string(), reason: z.string() }));
export async function describeStack(stack: Stack, seconds: number): Promise<string> {
  const index = indexSchema.parse(await (await fetch(`${stack.opsUrl}/models`)).json());
  const ready = index.filter((entry) => entry.state === "READY");
  const example = ready[0] && (await exampleCall(stack, ready[0].name));
  const names = [...new Set(ready.map((entry) => entry.name))];
  const models = names.map((name) => {
    const versions = ready.filter((entry) => entry.name === name).map((entry) => entry.version);
    return `${name} (version${versions.length > 1 ? "s" : ""} ${versions.join(", ")})`;
  });
  return [
    `Ready in ${seconds.toFixed(1)} s.`,
    "",
    `  Edge         ${stack.edgeUrl}`,
    `  API docs     ${stack.edgeUrl}/docs`,
    `  Pool         ${stack.poolUrl} (${stack.poolAuth === "open" ? "open to unsigned requests" : "signed requests only"})`,
    `  Operations   ${stack.opsUrl}/metrics`,
    `  Models       ${models.join(", ") || "none could be loaded"}`,
    `  Demo key     ${stack.demoKey}`,
    `  Logs         ${stack.stateFolder}`,
    ...(example ? ["", "Try it:", "", `  ${example}`] : []),
    "",
    "Ctrl-C stops everything.",
  ].join("\n");
}

async function exampleCall(stack: Stack, model: string): Promise<string> {
  const body = await exampleRequest(stack.edgeUrl, stack.demoKey, model);
  return [
    `curl -s ${stack.edgeUrl}/v2/models/${model}/infer`,
    `-H 'Authorization: Bearer ${stack.demoKey}'`,
    "-H 'Content-Type: application/json'",
    `-d '${body.replaceAll("'", "'\\''")}'`,
  ].join(" ");
}
