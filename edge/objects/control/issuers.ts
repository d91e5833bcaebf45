/** Token issuers and their keys in the control plane's tables. */
import { z } from "zod";
import {
  type IssuerKeys,
  issuerProblems,
  type KeySet,
  keySetSchema,
  type TokenIssuer,
  tokenIssuerSchema,
} from "../../../shared/protocol/token-issuer.ts";
import { Refusal } from "./outcome.ts";
import { tenantExists } from "./tenants.ts";

const MOST_ISSUERS = 20;
const storedKeysSchema = z.strictObject({ keySet: keySetSchema.nullable(), fetchedAt: z.int() });

export function listIssuers(sql: SqlStorage): IssuerKeys[] {
  return [...sql.exec("SELECT record, key_set FROM issuers ORDER BY id")].map(({ record, key_set }) => ({
    issuer: tokenIssuerSchema.parse(JSON.parse(z.string().parse(record))),
    ...(key_set === null
      ? { keySet: null, fetchedAt: 0 }
      : storedKeysSchema.parse(JSON.parse(z.string().parse(key_set)))),
  }));
}

/** @throws Refusal `invalid_configuration`, `conflict` */
export function writeIssuer(sql: SqlStorage, issuer: TokenIssuer): void {
  const others = listIssuers(sql).map((entry) => entry.issuer);
  const problems = issuerProblems(issuer, others);
  if ("fixed" in issuer.tenant && !tenantExists(sql, issuer.tenant.fixed)) {
    problems.push(`there is no tenant ${issuer.tenant.fixed}`);
  }
  if (problems.length > 0) throw new Refusal("invalid_configuration", ...problems);
  if (others.length >= MOST_ISSUERS && !others.some(({ id }) => id === issuer.id)) {
    throw new Refusal("conflict", `there may be ${MOST_ISSUERS} issuers`);
  }
  // Keys of another place are not its keys.
  sql.exec(
    "INSERT INTO issuers (id, record) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record, key_set = NULL",
    issuer.id,
    JSON.stringify(tokenIssuerSchema.parse(issuer)),
  );
}

export function deleteIssuer(sql: SqlStorage, id: string): void {
  sql.exec("DELETE FROM issuers WHERE id = ?", id);
}

export function writeKeySet(sql: SqlStorage, id: string, keySet: KeySet, fetchedAt: number): void {
  sql.exec("UPDATE issuers SET key_set = ? WHERE id = ?", JSON.stringify({ keySet, fetchedAt }), id);
}

const FETCH_MS = 5_000;
const LARGEST_KEY_SET = 64 * 1024;

/**
 * Fetches an issuer's public keys. Called by the control plane's alarm, never on a token's account.
 *
 * @throws Error saying what is wrong, without anything of the answer's content
 */
export async function fetchKeySet({ jwksUrl }: TokenIssuer, fetcher: typeof fetch = fetch): Promise<KeySet> {
  const headers = { accept: "application/json" };
  const reply = await fetcher(jwksUrl, { headers, redirect: "manual", signal: AbortSignal.timeout(FETCH_MS) });
  if (reply.status !== 200) {
    await reply.body?.cancel();
    throw new Error(`status ${reply.status}`);
  }
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of reply.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > LARGEST_KEY_SET) throw new Error(`larger than ${LARGEST_KEY_SET} bytes`);
  }
  const parsed = keySetSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error("not a set of public keys (RFC 7517)");
  return parsed.data;
}
