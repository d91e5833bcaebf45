/**
 * First step: who is calling, and may they.
 *
 * A key's format and checksum are checked before anything is looked up. Verified keys are kept in the isolate for
 * `MEMO_MS`, so a revoked key stops within that; failures are not kept, so a key made a second ago works at once.
 * Unknown, malformed, wrong, expired and revoked keys get the same answer, and an unknown one costs the same work.
 */
import {
  type ApiKey,
  type ApiKeyRecord,
  parseApiKey,
  scopeCovers,
  secretDigest,
} from "../../shared/protocol/api-key.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { EdgeSettings } from "../environment.ts";
import { BoundedMemo } from "./bounded-memo.ts";

export interface Principal {
  readonly tenant: string;
  readonly kid: string;
  readonly scopes: readonly string[];
}

export interface KeyDirectory {
  findKey(kid: string): Promise<ApiKeyRecord | null>;
}

const MEMO_MS = 5_000;
/** By the whole key as presented: a wrong secret never meets the entry of the right one. */
const verified = new BoundedMemo<Principal>(10_000);
/** What an unknown key is compared with. */
const NO_DIGEST = new Uint8Array(32);

/** @throws WarmgateError `unauthenticated` */
export async function identify(
  headers: Headers,
  settings: EdgeSettings,
  directory: KeyDirectory,
  now: number,
): Promise<Principal> {
  const presented = presentedKey(headers);
  const known = verified.get(presented, now);
  if (known) return known;
  const key = parseApiKey(presented);
  if (!key || key.environment !== settings.environment) throw unauthenticated();
  const record = await directory.findKey(key.kid);
  if (!(await isLive(record, key, settings, now)) || !record) throw unauthenticated();
  const principal = { tenant: record.tenant, kid: record.kid, scopes: record.scopes };
  const until = Math.min(now + MEMO_MS, record.expiresAt ?? Number.POSITIVE_INFINITY);
  verified.set(presented, principal, until);
  return principal;
}

/** @throws WarmgateError `forbidden` naming the scope that is missing */
export function requireScope(principal: Principal, scope: string): void {
  if (!scopeCovers(principal.scopes, scope)) {
    throw new WarmgateError("forbidden", `this API key lacks the scope ${scope}`);
  }
}

function presentedKey(headers: Headers): string {
  const authorization = headers.get("authorization");
  const plain = headers.get("x-api-key");
  if (authorization !== null && plain !== null) throw unauthenticated();
  if (plain !== null) return plain;
  const bearer = /^Bearer +([^\s,]+)$/i.exec(authorization ?? "");
  if (!bearer?.[1]) throw unauthenticated();
  return bearer[1];
}

async function isLive(
  record: ApiKeyRecord | null,
  key: ApiKey,
  { pepper, environment }: EdgeSettings,
  now: number,
): Promise<boolean> {
  const given = await secretDigest(pepper, key.secret);
  let matches = false;
  for (const { digest, notAfter } of record?.secretDigests ?? [{ digest: "", notAfter: null }]) {
    const expected = digest === "" ? NO_DIGEST : Uint8Array.from(atob(digest), (c) => c.charCodeAt(0));
    const equal = expected.byteLength === given.byteLength && crypto.subtle.timingSafeEqual(expected, given);
    if (equal && digest !== "" && (notAfter === null || notAfter > now)) matches = true;
  }
  if (!record || !matches) return false;
  return (
    record.environment === environment &&
    record.revokedAt === null &&
    (record.expiresAt === null || record.expiresAt > now)
  );
}

function unauthenticated(): WarmgateError {
  return new WarmgateError("unauthenticated", "a valid API key is required: Authorization: Bearer wg_...");
}
