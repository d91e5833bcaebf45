import { setTimeout as sleep } from "node:timers/promises";
import { SourceError } from "./source-error.ts";

export interface RetryPolicy {
  /** Tries in all. */
  readonly attempts: number;
  /** Before the second try, in milliseconds; doubled before each that follows. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** Uniform from 0 to below 1. */
  readonly random: () => number;
}

/**
 * Tries again what failed in a way that may pass, after a random part of a wait that doubles ("full jitter": M. Brooker,
 * Exponential Backoff And Jitter, AWS 2015). What fails otherwise, such as a 4xx, is not tried again.
 *
 * @throws what the last try threw; the signal's reason when it is aborted
 */
export async function retrying<T>(
  policy: RetryPolicy,
  signal: AbortSignal,
  attempt: () => Promise<T>,
  wait: (ms: number, signal: AbortSignal) => Promise<void> = pause,
): Promise<T> {
  for (let tried = 1; ; tried++) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof SourceError && error.transient) || tried >= policy.attempts) throw error;
      await wait(policy.random() * Math.min(policy.longestWaitMs, policy.firstWaitMs * 2 ** (tried - 1)), signal);
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // Its own error would be in the place of the reason.
  await sleep(ms, undefined, { signal }).catch(() => undefined);
  signal.throwIfAborted();
}
