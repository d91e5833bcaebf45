import { promisify } from "node:util";
import { deflate, gzip } from "node:zlib";
import type { Reply } from "./reply.ts";

/** Below this many bytes compressing costs more than it saves. */
const WORTH_COMPRESSING = 1024;

const pack = { gzip: promisify(gzip), deflate: promisify(deflate) } as const;

/** Compresses a reply when the caller asked for it; the fastest level, as latency is what is sold here. */
export async function compressReply(reply: Reply, acceptEncoding: string): Promise<Reply> {
  const encoding = negotiate(acceptEncoding);
  const body = typeof reply.body === "string" ? Buffer.from(reply.body) : reply.body;
  if (!encoding || body.byteLength < WORTH_COMPRESSING) return reply;
  return {
    ...reply,
    body: await pack[encoding](body, { level: 1 }),
    headers: { ...reply.headers, "content-encoding": encoding, vary: "accept-encoding" },
  };
}

/** The first of gzip and deflate that the header accepts (RFC 9110, 12.5.3); a weight of 0 is a refusal. */
export function negotiate(acceptEncoding: string): "gzip" | "deflate" | undefined {
  const offers = acceptEncoding
    .toLowerCase()
    .split(",")
    .map((offer) => offer.trim());
  for (const encoding of ["gzip", "deflate"] as const) {
    const offer = offers.find((candidate) => candidate.split(";")[0]?.trim() === encoding);
    if (offer && !/;\s*q=0(?:\.0*)?$/.test(offer)) return encoding;
  }
  return undefined;
}
