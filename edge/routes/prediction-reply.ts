/** A prediction's answer in the caller's form and order, and what it is counted as. */
import { encodeInferenceResponse } from "../../shared/protocol/response.ts";
import type { InferenceRequest, InferenceResponse } from "../../shared/protocol/tensor.ts";
import { entityTag, matches } from "../cache/entity-tag.ts";
import type { Cacheable } from "../gate/cache.ts";
import type { Permit } from "../gate/limit.ts";
import { Meter, type Use } from "../gate/meter.ts";
import { type Answer, notModified, reply } from "../gate/reply.ts";
import { keepAliveOf } from "./admission.ts";
import type { Asked } from "./asked.ts";
import { type EdgeContext, recordOf } from "./route.ts";

const meter = new Meter();

/** Ends the permit as used, and counts the use; once there is an answer in the caller's form, for nobody pays for a refusal. */
export function used({ context, principal, name }: Asked, permit: Permit, use: Omit<Use, "tenant" | "model">): void {
  permit.end(true);
  recordOf(context).standings = permit.standings();
  count(context, { tenant: principal.tenant, model: name, ...use });
}

/** The outputs in the caller's form and order, or the word that it has them already. */
export function replyFrom(
  response: InferenceResponse & { readonly contentDigest?: string },
  about: Cacheable,
  asked: Asked,
  permit: Permit,
  use: Omit<Use, "tenant" | "model">,
): Response {
  const { context, name } = asked;
  const record = recordOf(context);
  const { headers } = context.req.raw;
  record.version = response.modelVersion;
  const { answer, tag } = inCallersWords(response, about, name);
  record.entityTag = tag;
  record.mark("encode");
  used(asked, permit, use);
  if (tag !== "" && matches(headers.get("if-none-match"), tag)) return notModified(record);
  return reply(answer, record, headers.get("accept-encoding"));
}

interface CallersWords {
  readonly answer: Answer;
  /** Names its bytes; "" for what is not kept. */
  readonly tag: string;
}

/** The form that an answer was last asked for in: most who ask again ask for the same. */
const lastWords = new WeakMap<object, CallersWords & { readonly about: Cacheable; readonly name: string }>();

function inCallersWords(
  response: InferenceResponse & { readonly contentDigest?: string },
  about: Cacheable,
  name: string,
): CallersWords {
  const before = lastWords.get(response);
  if (before?.about === about && before.name === name) return before;
  const { modelVersion, outputs, contentDigest } = response;
  const { request, outputs: names } = about;
  const ordered = names.flatMap((wanted) => outputs.find((output) => output.name === wanted) ?? []);
  const answer = inCallersForm({ modelName: name, modelVersion, outputs: ordered }, request);
  if (contentDigest === undefined) return { answer, tag: "" };
  const form = names.map((wanted) => ({
    name: wanted,
    binary: request.outputs?.find((output) => output.name === wanted)?.binary ?? request.binaryOutput,
  }));
  const tag = entityTag({ contentDigest, modelName: name, id: request.id, outputs: form });
  const words = { answer, tag, about, name };
  lastWords.set(response, words);
  return words;
}

/** Tells the tenant's ledger, once the reply is on its way. */
function count(context: EdgeContext, use: Use): void {
  const ledger = () => context.env.USAGE_LEDGER.getByName(use.tenant);
  meter.count(use, ledger, Date.now(), keepAliveOf(context), (requests) =>
    console.error(JSON.stringify({ level: "error", msg: "usage was lost", tenant: use.tenant, requests })),
  );
}

export function inCallersForm(response: InferenceResponse, request: InferenceRequest): Answer {
  const id = request.id === undefined ? {} : { id: request.id };
  return encodeInferenceResponse({ ...response, ...id }, request);
}
