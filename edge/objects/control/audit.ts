/** Who changed what, when, from what to what. Written in the same transaction as the change; never with a secret in it. */
import { z } from "zod";

export interface Actor {
  /** A key's id, a token's issuer and subject, or "local" for the machine's own command line. */
  readonly id: string;
  readonly tenant: string;
  readonly requestId: string;
}

export interface Change {
  readonly action: string;
  readonly subject: string;
  /** Whose log it is in; null: the operator's only. */
  readonly tenant: string | null;
  readonly before: unknown;
  readonly after: unknown;
}

const rowSchema = z.object({
  id: z.int(),
  at: z.int(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  tenant: z.string().nullable(),
  before: z.string().nullable(),
  after: z.string().nullable(),
  version: z.int(),
  request_id: z.string(),
});

export interface AuditEntry extends Omit<z.infer<typeof rowSchema>, "request_id"> {
  /** JSON, as `after`; null where there was nothing. */
  readonly before: string | null;
  readonly requestId: string;
}

/** The oldest entries leave beyond this many. */
const MOST_ENTRIES = 1_000_000;

export function recordChange(sql: SqlStorage, actor: Actor, change: Change, version: number, now: number): void {
  const text = (value: unknown) => (value === null || value === undefined ? null : JSON.stringify(value));
  sql.exec(
    "INSERT INTO audit (at, actor, action, subject, tenant, before, after, version, request_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    now,
    actor.id,
    change.action,
    change.subject,
    change.tenant,
    text(change.before),
    text(change.after),
    version,
    actor.requestId,
  );
  sql.exec("DELETE FROM audit WHERE id <= (SELECT MAX(id) FROM audit) - ?", MOST_ENTRIES);
}

/** Newest first. @param before entries older than this id */
export function readAudit(sql: SqlStorage, tenant: string | null, before: number | null, limit: number): AuditEntry[] {
  const rows = sql.exec(
    `SELECT * FROM audit WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3`,
    tenant,
    before,
    limit,
  );
  return [...rows].map((row) => {
    const { request_id: requestId, ...rest } = rowSchema.parse(row);
    return { ...rest, requestId };
  });
}
