import { seededRandom } from "../bench/arrivals.ts";

/** What batches take on the simulated device: a fixed part, a part by row, and noise. Milliseconds. */
export interface DeviceModel {
  readonly baseMs: number;
  readonly perRowMs: number;
  readonly largestBatch: number;
  /** Standard deviation of the logarithm of a run's time; 0.05 is a quiet GPU. */
  readonly noise: number;
}

/** A mid-sized network on a small GPU: 4.4 ms alone, 29.6 ms for 64. */
export const DEVICE: DeviceModel = { baseMs: 4, perRowMs: 0.4, largestBatch: 64, noise: 0.05 };

/** Rows a second with full batches. */
export function capacityOf(device: DeviceModel): number {
  return (device.largestBatch * 1000) / meanMs(device, device.largestBatch);
}

export function meanMs({ baseMs, perRowMs }: DeviceModel, rows: number): number {
  return baseMs + perRowMs * rows;
}

/** Times of runs, the same for the same seed. */
export function runTimes(device: DeviceModel, seed: number): (rows: number) => number {
  const random = seededRandom(seed);
  return (rows) => {
    // Box and Muller: two uniform numbers make a normal one.
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return meanMs(device, rows) * Math.exp(device.noise * normal);
  };
}
