/** The control plane's tables, with what every change of them has in common: one transaction, a new version, an audit entry. */
import { z } from "zod";
import { type Actor, type Change, recordChange } from "./audit.ts";
import { type ControlRefusal, type Outcome, Refusal } from "./outcome.ts";
import { migrate } from "./schema.ts";

export class ControlStore {
  readonly sql: SqlStorage;
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.sql = storage.sql;
    storage.transactionSync(() => migrate(this.sql));
  }

  version(): number {
    return z.int().parse(this.sql.exec("SELECT version FROM config_version").one().version);
  }

  nextVersion(): number {
    const row = this.sql.exec("UPDATE config_version SET version = version + 1 RETURNING version").one();
    return z.int().parse(row.version);
  }

  read<Value>(read: () => Value): Outcome<Value> {
    try {
      return { value: read(), version: this.version() };
    } catch (error) {
      return refusalOf(error);
    }
  }

  /** @param make is told the version that the change will have; what it throws undoes all */
  change<Value>(
    actor: Actor,
    make: (version: number) => { readonly value: Value; readonly change: Change },
  ): Outcome<Value> {
    try {
      return this.#storage.transactionSync(() => {
        const version = this.nextVersion();
        const { value, change } = make(version);
        recordChange(this.sql, actor, change, version, Date.now());
        return { value, version };
      });
    } catch (error) {
      return refusalOf(error);
    }
  }
}

function refusalOf(error: unknown): ControlRefusal {
  if (error instanceof Refusal) return error.outcome;
  if (error instanceof z.ZodError) {
    const problems = error.issues.map(({ path, message }) => [path.join("."), message].filter(Boolean).join(": "));
    return { refused: "invalid_configuration", problems };
  }
  throw error;
}
