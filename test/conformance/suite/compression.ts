/** Content-Encoding of requests and replies. */
import { deflateSync, gunzipSync, gzipSync, inflateSync } from "node:zlib";
import { errorText } from "./documents.ts";
import type { Reply } from "./http-exchange.ts";
import { type EncodedCall, encode } from "./inference.ts";
import { expect, expectSame, type Rule, SPEC, Violation } from "./rule.ts";
import { expectAnswer, inferPath, inferSimple, type SimpleCall, simpleCall } from "./simple-model.ts";
import type { Target } from "./target.ts";

const CODECS = {
  gzip: { pack: gzipSync, unpack: gunzipSync },
  deflate: { pack: deflateSync, unpack: inflateSync },
} as const;
type Codec = keyof typeof CODECS;
/** What aiohttp sends when nobody asked it to. */
const EVERY_ENCODING = { "accept-encoding": "gzip, deflate, br, zstd" };

/** The reply with its Content-Encoding undone; Violation if it cannot be. */
function decompressed(reply: Reply): Reply {
  const encoding = reply.headers["content-encoding"];
  if (encoding === undefined || encoding === "identity") return reply;
  const codec = encoding === "gzip" || encoding === "deflate" ? CODECS[encoding] : undefined;
  if (codec === undefined) throw new Violation(`the reply has an encoding that was not asked for: ${encoding}`);
  try {
    return { ...reply, body: codec.unpack(reply.body) };
  } catch (error) {
    throw new Violation(`the reply is not ${encoding}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Sends a body of the given encoding to `simple`. */
async function sendEncoded(target: Target, encoding: string, body: Buffer, sent?: EncodedCall): Promise<Reply> {
  await target.require(target.options.simple);
  const headers = { ...sent?.headers, "content-encoding": encoding };
  return target.send({ method: "POST", path: inferPath(target.options.simple), headers, body });
}

async function compressedRequest(target: Target, codec: Codec, call: SimpleCall): Promise<void> {
  const sent = encode({ inputs: call.inputs });
  expectAnswer(await sendEncoded(target, codec, CODECS[codec].pack(sent.body), sent), call);
}

async function compressedReply(target: Target, accepted: string, binary: boolean): Promise<Reply> {
  await target.require(target.options.simple);
  const call = simpleCall(8);
  const parameters = { binary_data_output: binary };
  const { headers, body } = encode({ inputs: call.inputs, parameters });
  const path = inferPath(target.options.simple);
  const all = { ...headers, "accept-encoding": accepted };
  const reply = await target.send({ method: "POST", path, headers: all, body });
  expectAnswer(decompressed(reply), call);
  return reply;
}

function rulesOf(codec: Codec): readonly Rule[] {
  const source = `${SPEC.triton}; ${SPEC.tritonClient}: compression arguments of infer`;
  return [
    {
      id: `compression/${codec}-request`,
      level: "SHOULD",
      says: `a request in ${codec} is read`,
      source,
      check: (target) => compressedRequest(target, codec, simpleCall(4)),
    },
    {
      id: `compression/${codec}-binary-request`,
      level: "SHOULD",
      says: `a binary request in ${codec} is read; the header counts JSON before compression`,
      source,
      extension: "binary_tensor_data",
      check: (target) => compressedRequest(target, codec, simpleCall(4, ["binary", "binary"])),
    },
    {
      id: `compression/${codec}-reply`,
      level: "SHOULD",
      says: `Accept-Encoding: ${codec} gets a reply that is plain or true ${codec}`,
      source,
      check: async (target) => {
        await compressedReply(target, codec, false);
      },
    },
    {
      id: `compression/${codec}-binary-reply`,
      level: "SHOULD",
      says: `a binary reply in ${codec} has a header that counts JSON before compression`,
      source,
      extension: "binary_tensor_data",
      check: async (target) => {
        await compressedReply(target, codec, true);
      },
    },
    {
      id: `compression/${codec}-corrupt`,
      level: "SHOULD",
      says: `a body that claims ${codec} and is not gives 4xx`,
      source: SPEC.http,
      check: async (target) => {
        const reply = await sendEncoded(target, codec, Buffer.from('{"inputs":[]}'));
        errorText(reply);
        expect(reply.status < 500, `expected 4xx, got ${reply.status}`);
      },
    },
    {
      id: `compression/${codec}-cut`,
      level: "SHOULD",
      says: `a ${codec} body that ends early gives 4xx`,
      source: SPEC.http,
      check: async (target) => {
        const { body } = encode({ inputs: simpleCall().inputs });
        const reply = await sendEncoded(target, codec, CODECS[codec].pack(body).subarray(0, -12));
        errorText(reply);
        expect(reply.status < 500, `expected 4xx, got ${reply.status}`);
      },
    },
  ];
}

export const compressionRules: readonly Rule[] = [
  ...rulesOf("gzip"),
  ...rulesOf("deflate"),
  {
    id: "compression/identity",
    level: "SHOULD",
    says: "Accept-Encoding: identity and gzip;q=0 get plain replies",
    source: `${SPEC.http} section 12.5.3`,
    check: async (target) => {
      for (const accepted of ["identity", "gzip;q=0, deflate;q=0"]) {
        const reply = await compressedReply(target, accepted, false);
        expectSame(reply.headers["content-encoding"] ?? "identity", "identity", `encoding under ${accepted}`);
      }
    },
  },
  {
    id: "compression/uninvited",
    level: "SHOULD",
    says: "a reply is plain when Accept-Encoding was not sent",
    source: SPEC.tritonClient,
    check: async (target) => {
      const reply = await inferSimple(target, { inputs: simpleCall(8).inputs });
      expectSame(reply.headers["content-encoding"] ?? "identity", "identity", "encoding");
    },
  },
  {
    id: "compression/known-codecs-only",
    level: "SHOULD",
    says: "Accept-Encoding: gzip, deflate, br gets gzip, deflate or a plain reply",
    source: SPEC.tritonAio,
    check: async (target) => {
      await compressedReply(target, EVERY_ENCODING["accept-encoding"], true);
    },
  },
  {
    id: "compression/plain-documents",
    level: "SHOULD",
    says: "metadata, statistics, configuration and the index are plain, whatever Accept-Encoding says",
    source: SPEC.tritonAio,
    check: async (target) => {
      const model = `/v2/models/${target.options.simple}`;
      const calls = [
        ...["/v2", model, `${model}/config`, `${model}/stats`, "/v2/models/stats"].map((path) => ({
          method: "GET",
          path,
        })),
        { method: "POST", path: "/v2/repository/index", body: Buffer.from("{}") },
      ];
      for (const call of calls) {
        const reply = await target.send({ ...call, headers: EVERY_ENCODING });
        expectSame(reply.headers["content-encoding"] ?? "identity", "identity", `encoding of ${call.path}`);
      }
    },
  },
  {
    id: "compression/plain-errors",
    level: "SHOULD",
    says: "an error is plain, whatever Accept-Encoding says",
    source: SPEC.tritonAio,
    check: async (target) => {
      await target.require(target.options.simple);
      const outputs = [{ name: "N".repeat(4_000) }];
      const { body } = encode({ inputs: simpleCall().inputs, outputs });
      const path = inferPath(target.options.simple);
      const reply = await target.send({ method: "POST", path, headers: EVERY_ENCODING, body });
      expectSame(reply.headers["content-encoding"] ?? "identity", "identity", "encoding");
      errorText(reply);
    },
  },
  {
    id: "compression/unknown-encoding",
    level: "SHOULD",
    says: "an encoding that is not supported gives an error object with 415 or 501",
    source: `${SPEC.http} section 15.5.16 (415); ${SPEC.triton} (501)`,
    check: async (target) => {
      const reply = await sendEncoded(target, "x-unheard-of", encode({ inputs: simpleCall().inputs }).body);
      errorText(reply);
      expect(reply.status === 415 || reply.status === 501, `expected 415 or 501, got ${reply.status}`);
    },
  },
];
