/**
 * A node's word is taken only if it is signed with one of the keys that the edge and the pool share, by the same rules as the edge's
 * requests to nodes (`shared/protocol/signing.ts`). The raw bytes are verified before anything in them is parsed.
 *
 * One that was captured may be sent again within the window; the directory takes no word that is not newer than the last one.
 */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { ANNOUNCEMENTS_PATH, type Announcement, announcementSchema } from "../../shared/protocol/pool-node.ts";
import { parseAuthorization, SIGNING_WINDOW_MS, textToSign } from "../../shared/protocol/signing.ts";
import type { EdgeSettings } from "../environment.ts";

const utf8 = new TextEncoder();

/** @throws WarmgateError `invalid_signature`; what of it can be told before the body is read */
export function signatureOf(header: string | null, { signingKeys }: Pick<EdgeSettings, "signingKeys">, now: number) {
  const authorization = parseAuthorization(header ?? "");
  const key = authorization && signingKeys.get(authorization.fields.keyId);
  if (!key || Math.abs(now - authorization.fields.signedAt) > SIGNING_WINDOW_MS) throw notSigned();
  return { key, authorization };
}

/** @throws WarmgateError `invalid_signature`, `malformed_json`, `invalid_request` */
export async function verifyAnnouncement(
  { key, authorization }: ReturnType<typeof signatureOf>,
  body: Uint8Array,
): Promise<Announcement> {
  const text = utf8.encode(textToSign("POST", ANNOUNCEMENTS_PATH, "", authorization.parameters));
  const message = new Uint8Array(text.length + body.length);
  message.set(text);
  message.set(body, text.length);
  const signature = bytesOf(authorization.signature);
  if (!signature || !(await crypto.subtle.verify("HMAC", key, signature, message))) throw notSigned();
  const parsed = announcementSchema.safeParse(parseJson(body));
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map(({ path, message: why }) => `${path.join(".")}: ${why}`);
  throw new WarmgateError("invalid_request", fields.slice(0, 8).join("; "));
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    throw new WarmgateError("malformed_json", "the announcement is not JSON");
  }
}

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9_-]{43}$/.test(base64url)) return undefined;
  return Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
}

function notSigned(): WarmgateError {
  return new WarmgateError("invalid_signature", "the announcement is not signed by a node of this edge's pool");
}
