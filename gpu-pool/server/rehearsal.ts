/**
 * A rehearsal: before a process says that it is ready, it sends itself real requests the whole way, socket to socket, so
 * that the first caller does not pay for code that has never run. They are counted like any others.
 */
import { Agent, request } from "node:http";
import { INFERENCE_HEADER_LENGTH } from "../../shared/protocol/headers.ts";
import { encodeInferenceRequest } from "../../shared/protocol/request.ts";
import type { SigningKey } from "../../shared/protocol/signing.ts";
import { signRequest } from "../announce/sign-request.ts";
import type { Served } from "../ensemble/served-ensemble.ts";
import { exampleInput } from "../runtime/example-input.ts";

export interface Stage {
  readonly host: string;
  readonly port: number;
  /** The key to sign with; undefined where no signature is asked for. */
  readonly key: SigningKey | undefined;
}

const REQUESTS = 96;
const LONGEST_MS = 2_000;
/** Size of dimensions that vary and are not the batch. A model that does not take it refuses, which rehearses too. */
const FREE_SIZE = 8;

/** Sends a bounded number of requests, for a bounded time, to the models in turn. Never fails. */
export async function rehearse(stage: Stage, models: readonly Served[]): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const giveUpAt = performance.now() + LONGEST_MS;
  try {
    for (let sent = 0; sent < REQUESTS && performance.now() < giveUpAt; sent++) {
      const model = models[sent % models.length];
      if (!model) return;
      await send(stage, agent, model).catch(() => undefined);
    }
  } finally {
    agent.destroy();
  }
}

function send({ host, port, key }: Stage, agent: Agent, model: Served): Promise<void> {
  const { identity, signature } = model;
  const sample = model.kind === "model" ? model.policy.pipeline?.sample : undefined;
  const { body, headerLength } = encodeInferenceRequest({
    parameters: {},
    // Made-up bytes are no picture: a pipeline refuses them at its first step.
    inputs: sample ?? signature.inputs.map((spec) => exampleInput(spec, 1, FREE_SIZE, 0)),
    binaryOutput: true,
  });
  const path = `/v2/models/${identity.name}/versions/${identity.version}/infer`;
  const headers: Record<string, string> = {};
  if (headerLength !== undefined) headers[INFERENCE_HEADER_LENGTH] = String(headerLength);
  if (key) {
    headers.authorization = signRequest(key, {
      target: path,
      headerLength: headers[INFERENCE_HEADER_LENGTH] ?? "",
      body,
      timeoutMs: LONGEST_MS,
      requestId: "rehearsal",
    });
  }
  return new Promise((resolve, reject) => {
    const call = request({ host, port, agent, path, method: "POST", headers, timeout: LONGEST_MS }, (reply) => {
      reply.resume().once("end", resolve);
    });
    call.once("timeout", () => call.destroy());
    call.once("error", reject);
    call.end(body);
  });
}
