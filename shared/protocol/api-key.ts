/**
 * API keys: `wg_<environment>_<kid>_<secret>_<crc>`.
 *
 * The prefix makes a leaked key findable; the checksum (CRC-32 of everything before it, which anybody can compute) tells a key
 * from noise; the kid finds the record. The secret is 26 random characters (155 bits) and a tag of 6, the beginning of
 * HMAC-SHA256(pepper, environment, kid, random characters). Only the whole HMAC is stored. A fast hash is right for that many
 * random bits.
 *
 * The tag is there so that nobody without the pepper can make up a key that is worth a look-up, not even under a kid that exists: a
 * sprayed key gets as far as storage with a chance of 62^-6, one in 57 billion.
 */
import { z } from "zod";
import { scopeSchema } from "./scope.ts";
import { limitOverridesSchema } from "./tenant-limits.ts";

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const KID_LENGTH = 10;
const RANDOM_LENGTH = 26;
const TAG_LENGTH = 6;
const CRC_LENGTH = 6;
const FORMAT = /^(wg_([a-z]{2,8})_([0-9A-Za-z]{10})_([0-9A-Za-z]{32}))_([0-9A-Za-z]{6})$/;

export interface ApiKey {
  readonly environment: string;
  /** Names the key; may be logged. */
  readonly kid: string;
  /** Never logged, never stored. */
  readonly secret: string;
}

/** Both platforms have it; only one of them names its type globally. */
export type HmacKey = Parameters<typeof crypto.subtle.sign>[1];

/** What is kept of a key. */
export const apiKeyRecordSchema = z.strictObject({
  kid: z.string().length(KID_LENGTH),
  tenant: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
  environment: z.string().regex(/^[a-z]{2,8}$/),
  /** What `secretDigest` gives, in base64; two while a key is being rotated. */
  secretDigests: z
    .array(z.strictObject({ digest: z.string().length(44), notAfter: z.int().nullable() }))
    .min(1)
    .max(2),
  /** For people: what the key is for. */
  name: z.string().max(200).default(""),
  /** `predict:<model glob>` and what else the key may do. */
  scopes: z.array(scopeSchema).min(1).max(100),
  /** To be met beside those of the tenant. */
  limits: limitOverridesSchema.default({}),
  /** Milliseconds since 1970. */
  expiresAt: z.int().nullable(),
  createdAt: z.int(),
  revokedAt: z.int().nullable(),
  /** To the minute. */
  lastUsedAt: z.int().nullable().default(null),
});
export type ApiKeyRecord = z.infer<typeof apiKeyRecordSchema>;

/** Reads a key; undefined unless format and checksum are right. Costs no I/O and no cryptography. */
export function parseApiKey(text: string): ApiKey | undefined {
  const match = FORMAT.exec(text);
  if (!match) return undefined;
  const [, signed = "", environment = "", kid = "", secret = "", crc = ""] = match;
  return checksum(signed) === crc ? { environment, kid, secret } : undefined;
}

export function formatApiKey({ environment, kid, secret }: ApiKey): string {
  const signed = `wg_${environment}_${kid}_${secret}`;
  return `${signed}_${checksum(signed)}`;
}

/** @param random fills an array with random bytes, as `crypto.getRandomValues` does */
export async function createApiKey(
  environment: string,
  pepper: HmacKey,
  random: (bytes: Uint8Array<ArrayBuffer>) => void,
): Promise<ApiKey> {
  return withNewSecret({ environment, kid: randomBase62(KID_LENGTH, random) }, pepper, random);
}

/** Another key of the same id. */
export async function withNewSecret(
  { environment, kid }: Pick<ApiKey, "environment" | "kid">,
  pepper: HmacKey,
  random: (bytes: Uint8Array<ArrayBuffer>) => void,
): Promise<ApiKey> {
  const characters = randomBase62(RANDOM_LENGTH, random);
  const digest = await digestOf(pepper, environment, kid, characters);
  return { environment, kid, secret: characters + tagOf(digest) };
}

/**
 * What is stored of a key, 32 bytes; undefined for a key that was not made with this pepper. Costs one HMAC and no I/O, the
 * same for both.
 */
export async function secretDigest(
  pepper: HmacKey,
  { environment, kid, secret }: ApiKey,
): Promise<Uint8Array | undefined> {
  const digest = await digestOf(pepper, environment, kid, secret.slice(0, RANDOM_LENGTH));
  const tag = tagOf(digest);
  let difference = 0;
  for (let index = 0; index < TAG_LENGTH; index++) {
    difference |= tag.charCodeAt(index) ^ secret.charCodeAt(RANDOM_LENGTH + index);
  }
  return difference === 0 ? digest : undefined;
}

async function digestOf(pepper: HmacKey, environment: string, kid: string, characters: string): Promise<Uint8Array> {
  const text = new TextEncoder().encode(`${environment}_${kid}_${characters}`);
  return new Uint8Array(await crypto.subtle.sign("HMAC", pepper, text));
}

function tagOf(digest: Uint8Array): string {
  return Array.from(digest.subarray(0, TAG_LENGTH), (byte) => BASE62[byte % BASE62.length]).join("");
}

/** @param pepper at least 32 bytes in base64url */
export async function importPepper(pepper: string): Promise<HmacKey> {
  const bytes = Uint8Array.from(atob(pepper.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  if (bytes.length < 32) throw new RangeError("the pepper is shorter than 32 bytes");
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

/** Without bias: bytes that would favour the first letters are thrown away. */
function randomBase62(length: number, random: (bytes: Uint8Array<ArrayBuffer>) => void): string {
  const usable = 256 - (256 % BASE62.length);
  const bytes = new Uint8Array(2 * length);
  let text = "";
  while (text.length < length) {
    random(bytes);
    for (const byte of bytes) if (byte < usable && text.length < length) text += BASE62[byte % BASE62.length];
  }
  return text;
}

function checksum(text: string): string {
  let rest = crc32(text);
  let encoded = "";
  for (let digit = 0; digit < CRC_LENGTH; digit++) {
    encoded = BASE62[rest % BASE62.length] + encoded;
    rest = Math.floor(rest / BASE62.length);
  }
  return encoded;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** CRC-32 as in ISO 3309 and zip, over ASCII text. */
function crc32(text: string): number {
  let crc = 0xffffffff;
  for (let index = 0; index < text.length; index++) {
    crc = (CRC_TABLE[(crc ^ text.charCodeAt(index)) & 0xff] ?? 0) ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
