/**
 * JSON Web Tokens (RFC 7519) of configured issuers.
 *
 * Promises: what a token says causes no fetch, ever: keys are those that the control plane fetched by its own clock, and none older
 * than `LAST_GOOD_MS` is trusted. Algorithm, issuer and audience are the configuration's, not the token's; headers that name keys
 * (`jku`, `jwk`, `x5u`) are not looked at. Whatever is wrong with a token, the answer is the same.
 */
import { createLocalJWKSet, decodeJwt, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from "jose";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { TENANT_ID } from "../../shared/protocol/tenant.ts";
import { grantedScopes, type IssuerKeys } from "../../shared/protocol/token-issuer.ts";

export interface VerifiedToken {
  readonly tenant: string;
  /** The issuer and a digest of the subject; may be logged. */
  readonly subject: string;
  readonly scopes: readonly string[];
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** While an issuer cannot be reached its last keys are used for this long. */
export const LAST_GOOD_MS = 3_600_000;
const LONGEST_TOKEN = 8 * 1024;
const LONGEST_LIFE_SECONDS = 24 * 3600;
const CLOCK_TOLERANCE_SECONDS = 30;
const TOKEN = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** Whether it has the form of a token; says nothing of its worth. */
export function looksLikeToken(text: string): boolean {
  return text.startsWith("eyJ") && text.length <= LONGEST_TOKEN && TOKEN.test(text);
}

/** @throws WarmgateError `unauthenticated` */
export async function verifyToken(text: string, issuers: readonly IssuerKeys[], now: number): Promise<VerifiedToken> {
  if (!looksLikeToken(text)) throw unauthenticated();
  const found = issuerOf(text, issuers);
  if (!found?.keySet || now - found.fetchedAt > LAST_GOOD_MS) throw unauthenticated();
  const { issuer, keySet } = found;
  const payload = await verified(text, keySet, {
    algorithms: [...issuer.algorithms],
    ...{ issuer: issuer.issuer, audience: issuer.audience },
    ...{ clockTolerance: CLOCK_TOLERANCE_SECONDS, requiredClaims: ["exp"], currentDate: new Date(now) },
  });
  const { exp = 0, sub = "" } = payload;
  if (exp > now / 1000 + LONGEST_LIFE_SECONDS + CLOCK_TOLERANCE_SECONDS) throw unauthenticated();
  const tenant = "fixed" in issuer.tenant ? issuer.tenant.fixed : payload[issuer.tenant.claim];
  if (typeof tenant !== "string" || !TENANT_ID.test(tenant)) throw unauthenticated();
  const scopes = grantedScopes(payload[issuer.scopeClaim], issuer.allowedScopes);
  return { tenant, subject: await subjectOf(issuer.id, sub), scopes, expiresAt: exp * 1000 };
}

/** The configured issuer that the token says it is from; it has to prove it afterwards. */
function issuerOf(text: string, issuers: readonly IssuerKeys[]): IssuerKeys | undefined {
  let claims: JWTPayload;
  try {
    claims = decodeJwt(text);
  } catch {
    return undefined;
  }
  const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  return issuers.find(({ issuer }) => issuer.issuer === claims.iss && audiences.includes(issuer.audience));
}

async function verified(
  text: string,
  keySet: { readonly keys: readonly object[] },
  options: Parameters<typeof jwtVerify>[2],
): Promise<JWTPayload> {
  const keys = createLocalJWKSet(keySet as JSONWebKeySet);
  try {
    return (await jwtVerify(text, keys, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw unauthenticated();
    // A token without a key id fits several keys while an issuer rotates them.
    for await (const key of error) {
      try {
        return (await jwtVerify(text, key, options)).payload;
      } catch {
        // It may be another one's.
      }
    }
    throw unauthenticated();
  }
}

async function subjectOf(issuer: string, subject: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(subject));
  const hex = Array.from(new Uint8Array(digest, 0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${issuer}:${hex}`;
}

/** The same for every reason. */
function unauthenticated(): WarmgateError {
  return new WarmgateError("unauthenticated", "a valid API key or token is required: Authorization: Bearer wg_...");
}
