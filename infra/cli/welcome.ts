/** What `npm start` says once everything is ready: where things are, and one line that can be pasted. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Stack } from "./stack.ts";
import { PROJECT_ROOT } from "./state-folder.ts";

const indexSchema = z.array(z.object({ name: z.string(), version: z.string(), state: z.string(), reason: z.string() }));
const metadataSchema = z.object({
  inputs: z.array(z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.number()) })),
});

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
  const body = model === "digits" ? await shippedExample() : await blankExample(stack, model);
  return [
    `curl -s ${stack.edgeUrl}/v2/models/${model}/infer`,
    `-H 'Authorization: Bearer ${stack.demoKey}'`,
    "-H 'Content-Type: application/json'",
    `-d '${body.replaceAll("'", "'\\''")}'`,
  ].join(" ");
}

/** A held-out image of a seven. */
async function shippedExample(): Promise<string> {
  return (await readFile(join(PROJECT_ROOT, "gpu-pool/models/digits/examples/seven.json"), "utf8")).trim();
}

/** A request that fits the model's signature, with zeros: enough to see it answer. */
async function blankExample(stack: Stack, model: string): Promise<string> {
  const reply = await fetch(`${stack.edgeUrl}/v2/models/${model}`, {
    headers: { authorization: `Bearer ${stack.demoKey}` },
  });
  const { inputs } = metadataSchema.parse(await reply.json());
  return JSON.stringify({
    inputs: inputs.map(({ name, datatype, shape }) => {
      const size = shape.map((dimension) => (dimension === -1 ? 1 : dimension));
      const count = size.reduce((product, dimension) => product * dimension, 1);
      const blank = datatype === "BYTES" ? "" : datatype === "BOOL" ? false : 0;
      return { name, datatype, shape: size, data: Array(count).fill(blank) };
    }),
  });
}
