/** What a serving process says of itself, to whoever sends requests to it. */
import { z } from "zod";
import { isModelName, isModelVersion } from "./model-name.ts";
import { modelSignatureSchema } from "./model-signature.ts";

/** How often a serving process announces itself, in milliseconds. */
export const ANNOUNCE_EVERY_MS = 500;
/** What a node announces may not be larger. */
export const LARGEST_ANNOUNCEMENT = 1024 * 1024;
/** Where a serving process describes itself, and where the edge takes announcements. */
export const NODE_PATH = "/pool/node";
export const ANNOUNCEMENTS_PATH = "/pool/announcements";

const label = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/);

export const nodeModelSchema = z.object({
  name: z.string().refine(isModelName),
  version: z.string().refine(isModelVersion),
  /** SHA-256 of the version's files and settings, in hex. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  deterministic: z.boolean(),
  /** Rows that may run together; 0 when requests run alone. */
  maxBatch: z.int().min(0),
  signature: modelSignatureSchema,
});

export const poolNodeSchema = z.object({
  node: label,
  /** Another one each time the process starts. */
  process: z.string().min(8).max(64),
  /** Rises with each description of one process. */
  sequence: z.int().min(0),
  /** `cpu`, `cuda:0`. */
  device: z.string().max(64),
  /** The class that routes ask for: `cpu`, `nvidia-h200`. */
  hardware: label,
  /** The execution provider that models run on. */
  provider: z.string().max(64),
  /** Whether it takes work: loaded, warm, not draining. */
  ready: z.boolean(),
  models: z.array(nodeModelSchema).max(4_096),
  load: z.object({
    waitMs: z.number().min(0),
    admissionLevel: z.int(),
    slots: z.int().min(1),
  }),
});

/** An address of a pool's process: nothing but scheme, host and port. */
export const nodeUrl = z
  .url({ protocol: /^https?$/ })
  .max(256)
  .transform((text) => new URL(text))
  .refine(({ pathname, search, hash, username }) => pathname === "/" && search + hash + username === "")
  .transform(({ origin }) => origin);

/** What a node sends to the edge. */
export const announcementSchema = z.object({
  url: nodeUrl,
  /** A last word: the process takes no more work. */
  leaving: z.boolean(),
  description: poolNodeSchema,
});

export type NodeModel = z.infer<typeof nodeModelSchema>;
export type PoolNode = z.infer<typeof poolNodeSchema>;
export type Announcement = z.infer<typeof announcementSchema>;

/** A node as it is known at the edge. */
export const knownNodeSchema = poolNodeSchema.extend({
  url: z.string(),
  /** When it was heard of last, in milliseconds since 1970. */
  seenAt: z.number(),
  /** Whether requests should be sent to it. What it had stays known for a while: cached answers are found by it. */
  live: z.boolean(),
});
export type KnownNode = z.infer<typeof knownNodeSchema>;
