import { z } from "zod";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { ModelRepository } from "../repository/model-repository.ts";
import { jsonReply, type Reply } from "./reply.ts";

const indexRequest = z.object({ ready: z.boolean().optional() });
const loadRequest = z.object({ parameters: z.record(z.string(), z.unknown()).optional() });

/** `POST /v2/repository/index` of the model repository extension. */
export function repositoryIndex(repository: ModelRepository, body: Uint8Array): Reply {
  const { ready } = parse(indexRequest, body);
  const entries = repository.index().filter((entry) => !ready || entry.state === "READY");
  return jsonReply(entries);
}

/**
 * Brings one model to what is on disk.
 *
 * @throws WarmgateError `model_not_found`, `model_rejected`; `not_implemented` for files or configuration in the request
 */
export async function loadFromRepository(repository: ModelRepository, name: string, body: Uint8Array): Promise<Reply> {
  const { parameters } = parse(loadRequest, body);
  if (parameters && Object.keys(parameters).length > 0) {
    throw new WarmgateError("not_implemented", "models are loaded from the repository only, not from the request");
  }
  await repository.loadAgain(name);
  return jsonReply({});
}

/** Takes one model out of service once it has answered what it had taken in. */
export async function unloadFromRepository(
  repository: ModelRepository,
  name: string,
  body: Uint8Array,
): Promise<Reply> {
  parse(loadRequest, body);
  await repository.unload(name);
  return jsonReply({});
}

function parse<T>(schema: z.ZodType<T>, body: Uint8Array): T {
  let content: unknown = {};
  if (body.byteLength > 0) {
    try {
      content = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    } catch {
      throw new WarmgateError("malformed_json", "the body is not JSON");
    }
  }
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new WarmgateError("invalid_request", `${issue?.path.join(".") || "the body"}: ${issue?.message}`);
}
