/**
 * The only owner of one tenant's limits. What it grants, isolates spend (`shared/control/limit-owner.ts` has the promises and the worst
 * case). Its state is written before its answers leave, so eviction, restarts and deploys forgive no debt.
 */
import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import {
  type LeaseAnswer,
  type LeaseAsk,
  type LimitStanding,
  leaseAskSchema,
  type Settlement,
  settlementSchema,
} from "../../shared/control/lease-messages.ts";
import { LimitOwner } from "../../shared/control/limit-owner.ts";
import type { Bindings } from "../environment.ts";
import { migrate } from "./control/schema.ts";
import { accountStateSchema, LIMITER_MIGRATIONS } from "./limiter-schema.ts";

export class TenantLimiter extends DurableObject<Bindings> {
  readonly #sql: SqlStorage;
  readonly #owner: LimitOwner;

  constructor(state: DurableObjectState, bindings: Bindings) {
    super(state, bindings);
    this.#sql = state.storage.sql;
    state.storage.transactionSync(() => migrate(this.#sql, LIMITER_MIGRATIONS));
    this.#owner = this.#load();
  }

  lease(ask: LeaseAsk): LeaseAnswer {
    const answer = this.#owner.ask(leaseAskSchema.parse(ask), crypto.randomUUID(), Date.now(), Math.random());
    this.#save();
    return answer;
  }

  settle(settlements: readonly Settlement[]): void {
    for (const settlement of z.array(settlementSchema).max(256).parse(settlements)) this.#owner.settle(settlement);
    this.#save();
  }

  standings(): LimitStanding[] {
    return this.#owner.standings([...this.#owner.accounts.keys()], Date.now());
  }

  #load(): LimitOwner {
    const accounts = [...this.#sql.exec("SELECT name, state FROM accounts")].map(
      ({ name, state }) =>
        [z.string().parse(name), accountStateSchema.parse(JSON.parse(z.string().parse(state)))] as const,
    );
    const rowSchema = z.object({ lease: z.string(), accounts: z.string(), slots: z.int(), expires_at: z.int() });
    const slots = [...this.#sql.exec("SELECT * FROM slots")].map((row) => {
      const { lease, accounts: names, slots: count, expires_at: expiresAt } = rowSchema.parse(row);
      return [lease, { accounts: z.array(z.string()).parse(JSON.parse(names)), slots: count, expiresAt }] as const;
    });
    return new LimitOwner(accounts, slots);
  }

  #save(): void {
    const { accounts, slots, dirty } = this.#owner;
    for (const name of dirty.accounts) {
      this.#sql.exec(
        "INSERT INTO accounts (name, state) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET state = excluded.state",
        name,
        JSON.stringify(accounts.get(name)),
      );
    }
    for (const lease of dirty.slots) {
      const entry = slots.get(lease);
      if (entry) {
        this.#sql.exec(
          "INSERT OR REPLACE INTO slots (lease, accounts, slots, expires_at) VALUES (?, ?, ?, ?)",
          lease,
          JSON.stringify(entry.accounts),
          entry.slots,
          entry.expiresAt,
        );
      } else {
        this.#sql.exec("DELETE FROM slots WHERE lease = ?", lease);
      }
    }
    dirty.accounts.clear();
    dirty.slots.clear();
  }
}
