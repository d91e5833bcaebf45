/**
 * First step: who is calling, and may they.
 *
 * A key's form, checksum and tag are checked before anything is looked up (`shared/protocol/api-key.ts`), so sprayed keys cost one
 * HMAC each and neither storage nor memory. Verified callers are kept in the isolate for `MEMO_MS`; failures are not kept, and
 * a secret that a copy does not know is looked up in the truth, so a key made or rotated a second ago works at once. Unknown,
 * malformed, wrong, expired and revoked credentials get the same answer.
 */
import { type ApiKey, type ApiKeyRecord, parseApiKey, secretDigest } from "../../shared/protocol/api-key.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { scopeCovers } from "../../shared/protocol/scope.ts";
import { type Limits, overlay, UNLIMITED } from "../../shared/protocol/tenant-limits.ts";
import type { EdgeSettings } from "../environment.ts";
import type { Configuration, ResolvedKey, ResolvedTenant } from "../objects/control-plane.ts";
import { BoundedMemo } from "./bounded-memo.ts";
import type { Shield } from "./shield.ts";
import { looksLikeToken, verifyToken } from "./verify-token.ts";

/** A caller that was let in. */
export interface Principal {
  readonly tenant: string;
  /** The plan that its tenant is on. */
  readonly plan: string;
  /** A key's id, or an issuer and the digest of a token's subject; may be logged. */
  readonly kid: string;
  readonly scopes: readonly string[];
  readonly operator: boolean;
  /** Of its tenant. */
  readonly limits: Limits;
  /** Its own, to be met beside those of the tenant. */
  readonly keyLimits: Limits | null;
  readonly configuration: Configuration;
}

/** Where callers are looked up (`control-directory.ts`). */
export interface CallerDirectory {
  findKey(kid: string): Promise<ResolvedKey | null>;
  freshKey(kid: string): Promise<ResolvedKey | null>;
  findTenant(id: string): Promise<ResolvedTenant | null>;
  configuration(): Promise<Configuration>;
  keyUsed(kid: string, at: number): void;
}

const MEMO_MS = 5_000;
const USED_EVERY_MS = 60_000;
/** By the whole credential as presented: a wrong secret never meets the entry of the right one. */
const verified = new BoundedMemo<Principal>(10_000);
const used = new BoundedMemo<true>(10_000);

/** @throws WarmgateError `unauthenticated`, `tenant_suspended` */
export async function identify(
  headers: Headers,
  settings: EdgeSettings,
  directory: CallerDirectory,
  shield: Pick<Shield, "check">,
  now: number,
): Promise<Principal> {
  const presented = presentedCredential(headers);
  const known = verified.get(presented, now);
  if (known) return known;
  const { principal, until } = looksLikeToken(presented)
    ? await identifyToken(presented, directory, shield, now)
    : await identifyKey(presented, settings, directory, now);
  verified.set(presented, principal, Math.min(now + MEMO_MS, until));
  return principal;
}

/** @throws WarmgateError `forbidden` naming the scope that is missing */
export function requireScope(principal: Principal, scope: string): void {
  if (!scopeCovers(principal.scopes, scope)) {
    throw new WarmgateError("forbidden", `this credential lacks the scope ${scope}`);
  }
}

async function identifyKey(presented: string, settings: EdgeSettings, directory: CallerDirectory, now: number) {
  const key = parseApiKey(presented);
  if (!key || key.environment !== settings.environment) throw unauthenticated();
  const digest = await secretDigest(settings.pepper, key);
  if (!digest) throw unauthenticated();
  const [copy, configuration] = await Promise.all([directory.findKey(key.kid), directory.configuration()]);
  const found = copy && matches(copy.record, key, digest, now) ? copy : await directory.freshKey(key.kid);
  if (!found || !matches(found.record, key, digest, now)) throw unauthenticated();
  const { record, tenant } = found;
  requireActive(tenant);
  noteUse(record, directory, now);
  const principal: Principal = {
    tenant: tenant.id,
    plan: tenant.plan,
    kid: record.kid,
    scopes: record.scopes,
    operator: tenant.operator,
    limits: tenant.limits,
    keyLimits: Object.keys(record.limits).length === 0 ? null : overlay(UNLIMITED, record.limits),
    configuration,
  };
  return { principal, until: record.expiresAt ?? Number.POSITIVE_INFINITY };
}

async function identifyToken(
  presented: string,
  directory: CallerDirectory,
  shield: Pick<Shield, "check">,
  now: number,
) {
  shield.check(now);
  const configuration = await directory.configuration();
  const token = await verifyToken(presented, configuration.issuers, now);
  const tenant = await directory.findTenant(token.tenant);
  if (!tenant) throw unauthenticated();
  requireActive(tenant);
  const principal: Principal = {
    tenant: tenant.id,
    plan: tenant.plan,
    kid: token.subject,
    scopes: token.scopes,
    operator: tenant.operator,
    limits: tenant.limits,
    keyLimits: null,
    configuration,
  };
  return { principal, until: token.expiresAt };
}

/** Whether the record is alive and one of its secrets is the one that was presented. */
function matches(record: ApiKeyRecord, key: ApiKey, given: Uint8Array, now: number): boolean {
  let equal = false;
  for (const { digest, notAfter } of record.secretDigests) {
    const expected = Uint8Array.from(atob(digest), (c) => c.charCodeAt(0));
    const same = expected.byteLength === given.byteLength && crypto.subtle.timingSafeEqual(expected, given);
    if (same && (notAfter === null || notAfter > now)) equal = true;
  }
  return (
    equal &&
    record.environment === key.environment &&
    record.revokedAt === null &&
    (record.expiresAt === null || record.expiresAt > now)
  );
}

/** Only to those who have proved who they are. */
function requireActive({ suspended }: ResolvedTenant): void {
  if (suspended) throw new WarmgateError("tenant_suspended", "this tenant is suspended");
}

function noteUse({ kid, lastUsedAt }: ApiKeyRecord, directory: CallerDirectory, now: number): void {
  if (now - (lastUsedAt ?? 0) < USED_EVERY_MS || used.get(kid, now)) return;
  used.set(kid, true, now + USED_EVERY_MS);
  directory.keyUsed(kid, now);
}

function presentedCredential(headers: Headers): string {
  const authorization = headers.get("authorization");
  const plain = headers.get("x-api-key");
  if (authorization !== null && plain !== null) throw unauthenticated();
  if (plain !== null) return plain;
  const bearer = /^Bearer +([^\s,]+)$/i.exec(authorization ?? "");
  if (!bearer?.[1]) throw unauthenticated();
  return bearer[1];
}

export function unauthenticated(): WarmgateError {
  return new WarmgateError("unauthenticated", "a valid API key or token is required: Authorization: Bearer wg_...");
}
