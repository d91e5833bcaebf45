/** The closed-loop part: requests a second and p99 at each number of connections, and the best rate within a p99. */
import { loadOnce, median } from "../compare.ts";
import type { RunningSubject } from "../subjects.ts";

export interface SweepPoint {
  readonly connections: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of the subject's processes by request; undefined where it cannot be told. */
  readonly cpuMicroseconds: number | undefined;
}

export async function sweep(
  { port, pid }: RunningSubject,
  label: string,
  request: Buffer,
  connections: readonly number[],
  measureMs: number,
): Promise<SweepPoint[]> {
  const points: SweepPoint[] = [];
  for (const count of connections) {
    const load = await loadOnce({ label, port, pid, request }, count, measureMs);
    const { requestsPerSecond, p50Ms, p99Ms, cpuMicroseconds } = load;
    points.push({ connections: count, requestsPerSecond, p50Ms, p99Ms, cpuMicroseconds });
  }
  return points;
}

/** Medians over the rounds, point by point. */
export function mergeSweeps(rounds: readonly (readonly SweepPoint[])[]): SweepPoint[] {
  const counts = [...new Set(rounds.flat().map(({ connections }) => connections))];
  return counts.map((connections) => {
    const points = rounds.flat().filter((point) => point.connections === connections);
    const middle = (of: (point: SweepPoint) => number) => median(points.map(of));
    const known = points.flatMap(({ cpuMicroseconds }) => cpuMicroseconds ?? []);
    return {
      connections,
      requestsPerSecond: middle((point) => point.requestsPerSecond),
      p50Ms: middle((point) => point.p50Ms),
      p99Ms: middle((point) => point.p99Ms),
      cpuMicroseconds: known.length > 0 ? median(known) : undefined,
    };
  });
}

/** The highest rate of those points whose p99 keeps within the limit; undefined where none does. */
export function rateWithin(points: readonly SweepPoint[], limitMs: number): number | undefined {
  const rates = points.filter(({ p99Ms }) => p99Ms <= limitMs).map(({ requestsPerSecond }) => requestsPerSecond);
  return rates.length > 0 ? Math.max(...rates) : undefined;
}

export function capacityOf(points: readonly SweepPoint[]): number {
  return Math.max(0, ...points.map(({ requestsPerSecond }) => requestsPerSecond));
}
