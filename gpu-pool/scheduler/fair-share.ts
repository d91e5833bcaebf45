/**
 * How the tenants of one priority class share a device: start-time fair queueing (Goyal, Vin, Cheng 1996) with room for
 * urgency. Each tenant has a virtual time: device milliseconds received, divided by its weight. A tenant is *eligible*
 * while its virtual time is within `SLACK_MS` of the least served one that waits; among the eligible, urgency decides.
 *
 * So under contention each tenant gets its weight's share of the device, whatever it offers; without contention
 * (everybody's virtual time close together) the order is by latest start alone. It is work-conserving: the least served
 * tenant that waits is always eligible. Nobody saves up: a tenant that comes back is at most `BURST_MS` behind the least served.
 *
 * Worst case: a tenant waits for at most `SLACK_MS` of each other tenant's work beyond its own share's turn.
 */
export const SLACK_MS = 5;
/** Unused share that a tenant may make up for, in device milliseconds: its requests come in bursts, not evenly. */
const BURST_MS = 50;
/** Idle tenants whose debts are remembered. Past it the oldest are forgotten, which gives away one batch at most each. */
const MAX_REMEMBERED = 4096;

interface TenantAccount {
  /** Device milliseconds received over weight. */
  virtualTime: number;
  /** Waiting device milliseconds, items and bytes. */
  queuedMs: number;
  items: number;
  bytes: number;
}

export class FairShare {
  readonly #accounts = new Map<string, TenantAccount>();
  readonly #weightOf: (tenant: string) => number;
  /** The largest virtual time at which everybody who waits has been served; never goes back. */
  #floor = 0;
  #queuedMs = 0;
  #items = 0;

  /** @param weightOf a tenant's weight, above 0 */
  constructor(weightOf: (tenant: string) => number) {
    this.#weightOf = weightOf;
  }

  get queuedMs(): number {
    return this.#queuedMs;
  }

  get items(): number {
    return this.#items;
  }

  /** What one tenant has waiting. */
  queuedOf(tenant: string): { readonly queuedMs: number; readonly items: number; readonly bytes: number } {
    return this.#accounts.get(tenant) ?? NOTHING;
  }

  enqueue(tenant: string, costMs: number, bytes: number): void {
    let account = this.#accounts.get(tenant);
    if (!account) {
      if (this.#accounts.size >= MAX_REMEMBERED) this.#forgetIdle();
      account = { virtualTime: this.#floor, queuedMs: 0, items: 0, bytes: 0 };
      this.#accounts.set(tenant, account);
    } else if (account.items === 0) account.virtualTime = this.#resumed(account);
    account.queuedMs += costMs;
    account.items++;
    account.bytes += bytes;
    this.#queuedMs += costMs;
    this.#items++;
  }

  dequeue(tenant: string, costMs: number, bytes: number): void {
    const account = this.#accounts.get(tenant);
    if (!account) return;
    account.items--;
    this.#items--;
    // Nothing waiting is exactly 0, whatever the fractions added up to.
    account.queuedMs = account.items === 0 ? 0 : Math.max(0, account.queuedMs - costMs);
    this.#queuedMs = this.#items === 0 ? 0 : Math.max(0, this.#queuedMs - costMs);
    account.bytes -= bytes;
  }

  /** Notes device time given to a tenant (negative: given back). */
  charge(tenant: string, deviceMs: number): void {
    const account = this.#accounts.get(tenant);
    if (account) account.virtualTime += deviceMs / this.#weightOf(tenant);
  }

  virtualTime(tenant: string): number {
    const account = this.#accounts.get(tenant);
    if (!account) return this.#floor;
    return account.items > 0 ? account.virtualTime : this.#resumed(account);
  }

  /** Whether urgency alone decides when the tenant's turn is, as far as can be told now. */
  isEligible(tenant: string): boolean {
    let least = Number.POSITIVE_INFINITY;
    for (const account of this.#accounts.values()) {
      if (account.items > 0) least = Math.min(least, account.virtualTime);
    }
    return this.virtualTime(tenant) <= least + SLACK_MS;
  }

  /**
   * Device milliseconds of this class that go before a new item of the tenant at the most: its own queue, and what each
   * other tenant may still receive before the new item's turn.
   */
  aheadOf(tenant: string): number {
    const own = this.queuedOf(tenant).queuedMs;
    const turn = this.virtualTime(tenant) + own / this.#weightOf(tenant) + SLACK_MS;
    let ahead = own;
    for (const [name, account] of this.#accounts) {
      if (name === tenant || account.items === 0) continue;
      const before = (turn - account.virtualTime) * this.#weightOf(name);
      ahead += Math.min(account.queuedMs, Math.max(0, before));
    }
    return ahead;
  }

  /** To be called when a batch has been chosen: moves on the time at which newcomers start. */
  advance(): void {
    let least = Number.POSITIVE_INFINITY;
    let most = 0;
    for (const account of this.#accounts.values()) {
      if (account.items > 0) least = Math.min(least, account.virtualTime);
      most = Math.max(most, account.virtualTime);
    }
    this.#floor = Math.max(this.#floor, least < Number.POSITIVE_INFINITY ? least : most);
    if (this.#items === 0) this.#accounts.clear();
  }

  /** Where a tenant that has had nothing waiting starts again. */
  #resumed({ virtualTime }: TenantAccount): number {
    return Math.max(virtualTime, this.#floor - BURST_MS);
  }

  #forgetIdle(): void {
    for (const [name, account] of this.#accounts) if (account.items === 0) this.#accounts.delete(name);
  }
}

const NOTHING = { queuedMs: 0, items: 0, bytes: 0 };
