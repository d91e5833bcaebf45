/** One prediction by a model that answers with its input, and all that a client gets to know of it. */
import { type Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { REQUEST_ID, TIMEOUT_MS } from "../../../shared/protocol/headers.ts";
import type { JsonTensor, Outcome } from "./client-record.ts";

export interface IdentityCall {
  /** Origin of the edge. */
  readonly url: string;
  readonly agent?: Agent;
  readonly model: string;
  readonly key: string;
  readonly id: string;
  /** Said to the edge. */
  readonly deadlineMs: number;
  readonly input: JsonTensor;
  readonly parameters?: Readonly<Record<string, number>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How long after its deadline an answer is still waited for. */
const PATIENCE_MS = 5_000;

/** @returns also where nothing came, and why; never throws */
export function callIdentity(call: IdentityCall): Promise<Outcome> {
  const { url, agent, model, key, id, deadlineMs, input, parameters, headers = {} } = call;
  const body = JSON.stringify({ ...(parameters === undefined ? {} : { parameters }), inputs: [input] });
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const request = httpRequest(`${url}/v2/models/${model}/infer`, {
    method: "POST",
    ...(agent === undefined ? {} : { agent }),
    headers: {
      ...{ authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
      ...{ [REQUEST_ID]: id, [TIMEOUT_MS]: String(deadlineMs), "content-length": Buffer.byteLength(body) },
    },
  });
  const patience = setTimeout(
    () => request.destroy(new Error(`nothing came for ${deadlineMs + PATIENCE_MS} ms`)),
    deadlineMs + PATIENCE_MS,
  );
  request.on("response", (response) => void readAnswer(response).then(resolve, (error) => resolve(failed(error))));
  request.on("error", (error) => resolve(failed(error)));
  request.on("close", () => clearTimeout(patience));
  request.end(body);
  return promise;
}

export function unanswered(reason: string): Outcome {
  return { kind: "unanswered", reason, endedAt: performance.now() };
}

async function readAnswer(response: IncomingMessage): Promise<Outcome> {
  const body = Buffer.concat(await response.toArray()).toString();
  const answeredAt = performance.now();
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headersDistinct)) headers[name] = value?.join(", ") ?? "";
  return { kind: "answered", status: response.statusCode ?? 0, headers, body, answeredAt };
}

function failed(error: unknown): Outcome {
  if (!(error instanceof Error)) return unanswered(String(error));
  return unanswered("code" in error ? `${error.code}: ${error.message}` : error.message);
}
