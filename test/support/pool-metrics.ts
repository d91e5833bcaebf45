import type { PoolProcess } from "./pool.ts";

/** Figures of one scrape of the operations port, by name with labels as Prometheus writes them. */
export async function scrape(pool: PoolProcess): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${pool.opsUrl}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const gap = line.lastIndexOf(" ");
      return [line.slice(0, gap), Number(line.slice(gap + 1))];
    }),
  );
}

/** How the requests so far have ended. */
export interface Account {
  readonly received: number;
  readonly ok: number;
  readonly rejected: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly inFlight: number;
}

export async function account(pool: PoolProcess): Promise<Account> {
  const figures = await scrape(pool);
  const outcome = (name: string) => figures.get(`warmgate_pool_requests_total{outcome="${name}"}`) ?? 0;
  return {
    received: figures.get("warmgate_pool_requests_received_total") ?? 0,
    ok: outcome("ok"),
    rejected: outcome("rejected"),
    failed: outcome("failed"),
    cancelled: outcome("cancelled"),
    inFlight: figures.get("warmgate_pool_requests_in_flight") ?? Number.NaN,
  };
}
