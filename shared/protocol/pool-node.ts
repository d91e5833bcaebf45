/** What serving processes say of themselves, and what the edge knows of them by it. */
import { z } from "zod";
import { isModelName, isModelVersion } from "./model-name.ts";
import { modelSignatureSchema } from "./model-signature.ts";

/** How often a serving process announces itself unless it is told otherwise, in milliseconds. */
export const ANNOUNCE_EVERY_MS = 500;
/** What a node announces may not be larger. */
export const LARGEST_ANNOUNCEMENT = 1024 * 1024;
/** Where a serving process describes itself, and where the edge takes announcements. */
export const NODE_PATH = "/pool/node";
export const ANNOUNCEMENTS_PATH = "/pool/announcements";

/** Of a node or of a class of hardware. */
export const nodeLabel = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "lower-case letters, digits and - only");

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
export type NodeModel = z.infer<typeof nodeModelSchema>;

const nodeModels = z.array(nodeModelSchema).max(4_096);

/** What changes from one word of a node to the next. */
export const nodeStatusSchema = z.object({
  node: nodeLabel,
  /** Another one each time the process starts. */
  process: z.string().min(8).max(64),
  /** When the process started, in milliseconds since 1970: of two with one name the later one counts. */
  startedAt: z.int().min(0),
  /** Rises with each word of one process. */
  sequence: z.int().min(0),
  /** `cpu`, `cuda:0`. */
  device: z.string().max(64),
  /** The class that routes ask for: `cpu`, `nvidia-h200`. */
  hardware: nodeLabel,
  /** The execution provider that models run on. */
  provider: z.string().max(64),
  /** Whether it takes work: loaded, warm, not draining. */
  ready: z.boolean(),
  /** Names the models that are ready on it: equal lists have equal names. */
  catalogue: z.string().regex(/^[0-9a-f]{32}$/),
  load: z.object({
    waitMs: z.number().min(0),
    admissionLevel: z.int(),
    slots: z.int().min(1),
  }),
});
export type NodeStatus = z.infer<typeof nodeStatusSchema>;

/** A node's whole word of itself, at {@link NODE_PATH}. */
export const poolNodeSchema = nodeStatusSchema.extend({ models: nodeModels });
export type PoolNode = z.infer<typeof poolNodeSchema>;

/** An address of a pool's process: nothing but scheme, host and port. */
export const nodeUrl = z
  .url({ protocol: /^https?$/ })
  .max(256)
  .transform((text) => new URL(text))
  .refine(({ pathname, search, hash, username, password }) => pathname + search + hash + username + password === "/")
  .transform(({ origin }) => origin);

/** What a node sends to the edge, signed as the edge signs what it sends to nodes. */
export const announcementSchema = z.object({
  url: nodeUrl,
  /** A last word: the process takes no more work. */
  leaving: z.boolean(),
  status: nodeStatusSchema,
  /** Left out while the directory knows them, since they seldom change and are most of the bytes. */
  models: nodeModels.optional(),
});
export type Announcement = z.infer<typeof announcementSchema>;

export const announcementAnswerSchema = z.object({
  /** Whether the next word should bring the models along. */
  modelsWanted: z.boolean(),
  /** When the next word is expected, in milliseconds. */
  everyMs: z.int().min(50).max(60_000),
});
export type AnnouncementAnswer = z.infer<typeof announcementAnswerSchema>;

/** A node as it is known at the edge. */
export interface KnownNode extends NodeStatus {
  readonly models: readonly NodeModel[];
  readonly url: string;
  /** When it was heard of last, in milliseconds since 1970. */
  readonly seenAt: number;
  /** Whether requests should be sent to it. What it had stays known for a while: cached answers are found by it. */
  readonly live: boolean;
  /** It has said goodbye: unlike one that is silent, it is not worth a try. */
  readonly left: boolean;
}
