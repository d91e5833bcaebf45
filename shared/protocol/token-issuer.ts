/** Whose JSON Web Tokens are taken, and what they may say. */
import { z } from "zod";
import { scopeCovers, scopeSchema } from "./scope.ts";
import { TENANT_ID } from "./tenant.ts";

/** Asymmetric only: with a shared secret whoever verifies could sign, and a public key could be mistaken for one. */
export const TOKEN_ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "EdDSA",
] as const;

export const ISSUER_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

const keySetUrl = z.url().refine((text) => {
  const url = new URL(text);
  const isHere = ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  return (
    (url.protocol === "https:" || (url.protocol === "http:" && isHere)) && url.username === "" && url.password === ""
  );
}, "a key set is fetched by https, without credentials in its URL");

export const tokenIssuerSchema = z.strictObject({
  id: z.string().regex(ISSUER_ID),
  /** `iss` and `aud` of its tokens, exactly. */
  issuer: z.string().min(1).max(200),
  audience: z.string().min(1).max(200),
  jwksUrl: keySetUrl,
  algorithms: z.array(z.enum(TOKEN_ALGORITHMS)).min(1),
  /** Whose its tokens are: always of one tenant, or of the one that a claim names. */
  tenant: z.union([
    z.strictObject({ fixed: z.string().regex(TENANT_ID) }),
    z.strictObject({ claim: z.string().min(1).max(100) }),
  ]),
  scopeClaim: z.string().min(1).max(100).default("scope"),
  /** What its tokens may be granted at the most. */
  allowedScopes: z.array(scopeSchema).min(1).max(100).default(["predict:*"]),
});
export type TokenIssuer = z.infer<typeof tokenIssuerSchema>;

/** Public keys: a set that holds a private or a symmetric one is not taken. */
const publicKeySchema = z
  .looseObject({ kty: z.enum(["RSA", "EC", "OKP"]), kid: z.string().max(200).optional() })
  .refine((key) => !("d" in key) && !("k" in key), "a key set must not hold private keys");
export const keySetSchema = z.looseObject({ keys: z.array(publicKeySchema).min(1).max(50) });
export type KeySet = z.infer<typeof keySetSchema>;

/** An issuer with its keys as they were last fetched; null before the first time. */
export interface IssuerKeys {
  readonly issuer: TokenIssuer;
  readonly keySet: KeySet | null;
  /** Milliseconds since 1970. */
  readonly fetchedAt: number;
}

/** What is wrong with an issuer beside the others, one sentence each. */
export function issuerProblems(issuer: TokenIssuer, others: readonly TokenIssuer[]): string[] {
  const twin = others.find(
    (other) => other.id !== issuer.id && other.issuer === issuer.issuer && other.audience === issuer.audience,
  );
  return twin ? [`${twin.id} takes tokens of the same issuer and audience already`] : [];
}

/** Of a token's scopes those that are ours and that its issuer may grant. */
export function grantedScopes(claimed: unknown, allowed: readonly string[]): string[] {
  const names = typeof claimed === "string" ? claimed.split(" ") : Array.isArray(claimed) ? claimed : [];
  const ours = names.slice(0, 100).map((name) => scopeSchema.safeParse(name));
  return ours.flatMap(({ success, data }) => (success && scopeCovers(allowed, data) ? [data] : []));
}
