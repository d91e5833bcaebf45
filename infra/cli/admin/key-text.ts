/** An API key in words: never its secret, which the API does not tell. */
import { limitsText } from "./limit-text.ts";
import type { KeyReply } from "./replies.ts";
import { type Column, properties, timeText } from "./table.ts";

/** @param now milliseconds since 1970, by this machine's clock */
export function keyStatus({ revokedAt, expiresAt, secrets }: KeyReply, now: number): string {
  if (revokedAt !== null) return `revoked ${timeText(revokedAt)}`;
  if (expiresAt !== null && expiresAt <= now) return "expired";
  const overlap = secrets.find(({ notAfter }) => notAfter !== null && notAfter > now)?.notAfter;
  return overlap === undefined || overlap === null ? "active" : `rotating until ${timeText(overlap)}`;
}

export function keyColumns(now: number): readonly Column<KeyReply>[] {
  return [
    { title: "KEY", cell: ({ kid }) => kid },
    { title: "NAME", cell: ({ name }) => name },
    { title: "SCOPES", cell: ({ scopes }) => scopes.join(" ") },
    { title: "STATUS", cell: (key) => keyStatus(key, now) },
    { title: "EXPIRES", cell: ({ expiresAt }) => timeOr(expiresAt, "never") },
    { title: "LAST USED", cell: ({ lastUsedAt }) => timeOr(lastUsedAt, "never") },
    { title: "LIMITS", cell: ({ limits }) => limitsText(limits) },
  ];
}

export function describeKey(key: KeyReply, now: number): string {
  return properties([
    ["key", key.kid],
    ["tenant", key.tenant],
    ["environment", key.environment],
    ["name", key.name],
    ["scopes", key.scopes.join(" ")],
    ["status", keyStatus(key, now)],
    ["created", timeText(key.createdAt)],
    ["expires", timeOr(key.expiresAt, "never")],
    ["last used", timeOr(key.lastUsedAt, "never")],
    ["own limits", limitsText(key.limits)],
  ]);
}

function timeOr(at: number | null, otherwise: string): string {
  return at === null ? otherwise : timeText(at);
}
