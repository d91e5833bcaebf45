/**
 * API keys: `wg_<environment>_<kid>_<secret>_<crc>`.
 *
 * The prefix makes a leaked key findable; the checksum (CRC-32 of everything before it) tells a key from noise before
 * any look-up, so sprayed keys cost nothing; the kid finds the record; only HMAC-SHA256(pepper, secret) is stored. A
 * fast hash is right for a secret of 190 random bits.
 */
import { z } from "zod";

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const KID_LENGTH = 10;
const SECRET_LENGTH = 32;
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
  /** HMAC-SHA256(pepper, secret) in base64; two while a key is being rotated. */
  secretDigests: z
    .array(z.strictObject({ digest: z.string().length(44), notAfter: z.int().nullable() }))
    .min(1)
    .max(2),
  /** `predict:<model glob>` and what else the key may do. */
  scopes: z.array(z.string().min(1).max(200)).max(100),
  /** Milliseconds since 1970. */
  expiresAt: z.int().nullable(),
  createdAt: z.int(),
  revokedAt: z.int().nullable(),
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
export function createApiKey(environment: string, random: (bytes: Uint8Array<ArrayBuffer>) => void): ApiKey {
  return { environment, kid: randomBase62(KID_LENGTH, random), secret: randomBase62(SECRET_LENGTH, random) };
}

/** HMAC-SHA256(pepper, secret), 32 bytes. */
export async function secretDigest(pepper: HmacKey, secret: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", pepper, new TextEncoder().encode(secret)));
}

/** @param pepper at least 32 bytes in base64url */
export async function importPepper(pepper: string): Promise<HmacKey> {
  const bytes = Uint8Array.from(atob(pepper.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  if (bytes.length < 32) throw new RangeError("the pepper is shorter than 32 bytes");
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

/** Whether a scope such as `predict:digits` is covered by one of the granted, in which `*` stands for any characters. */
export function scopeCovers(granted: readonly string[], needed: string): boolean {
  return granted.some((pattern) => {
    const parts = pattern.split("*");
    const [first = "", ...rest] = parts;
    const last = rest.pop();
    if (last === undefined) return pattern === needed;
    if (!needed.startsWith(first) || !needed.endsWith(last) || needed.length < first.length + last.length) return false;
    let position = first.length;
    const end = needed.length - last.length;
    for (const part of rest) {
      const found = needed.indexOf(part, position);
      if (found < 0 || found + part.length > end) return false;
      position = found + part.length;
    }
    return true;
  });
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
