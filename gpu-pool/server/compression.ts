import { promisify } from "node:util";
import { deflate, gzip } from "node:zlib";
import { negotiateCompression } from "../../shared/protocol/accept-encoding.ts";
import type { Reply } from "./reply.ts";

/** Below this many bytes compressing costs more than it saves. */
const WORTH_COMPRESSING = 1024;

const pack = { gzip: promisify(gzip), deflate: promisify(deflate) } as const;

/** Compresses a reply when the caller asked for it; the fastest level, as latency is what is sold here. */
export async function compressReply(reply: Reply, acceptEncoding: string): Promise<Reply> {
  const encoding = negotiateCompression(acceptEncoding);
  const body = typeof reply.body === "string" ? Buffer.from(reply.body) : reply.body;
  if (!encoding || body.byteLength < WORTH_COMPRESSING) return reply;
  return {
    ...reply,
    body: await pack[encoding](body, { level: 1 }),
    headers: { ...reply.headers, "content-encoding": encoding, vary: "accept-encoding" },
  };
}
