/** What an operator can do about a refusal; the API's own remedies speak to callers of models. */
import { ERROR_KINDS } from "../../../shared/protocol/errors.ts";

const REMEDIES: ReadonlyMap<string, string> = new Map(
  Object.entries(ERROR_KINDS)
    .filter(([, { status }]) => status >= 500)
    .map(([code, { remedy }]) => [code, remedy]),
);

/**
 * @param retryAfter the header of that name: seconds
 * @param keySource where the key came from
 * @returns undefined where the error's text says it all
 */
export function refusalAdvice(code: string, retryAfter: string | null, keySource: string): string | undefined {
  if (code === "unauthenticated")
    return `The key in ${keySource} is not one of this deployment, was revoked or has expired.`;
  if (code === "forbidden" || code === "tenant_suspended") {
    return `The key in ${keySource} needs the scope admin; for other tenants, plans and costs it must be an operator's.`;
  }
  if (code === "not_found") return "warmgate tenants ls, keys ls <tenant> and routes ls show what there is.";
  if (retryAfter !== null && /^\d{1,8}$/.test(retryAfter)) return `Send it again in ${Number(retryAfter)} s.`;
  return REMEDIES.get(code);
}
