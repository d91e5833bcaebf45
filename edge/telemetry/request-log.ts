/**
 * The edge's log: one JSON line a request.
 *
 * Deployed, each line is written by itself, so that the platform keeps it with its request. On one machine writing a
 * line costs a tenth of what a prediction costs the edge, so lines may be gathered: at most `linesPerWrite` of them, for
 * at most `LONGEST_WAIT_MS`. Worst case: an isolate that is killed takes the lines of its last 100 ms with it.
 */
const LONGEST_WAIT_MS = 100;

export class RequestLog {
  #gathered: string[] = [];
  #flushBy = 0;

  /** @param keepAlive holds the request's context until the promise is settled, as `ExecutionContext.waitUntil` does */
  write(line: string, linesPerWrite: number, now: number, keepAlive: (pending: Promise<void>) => void): void {
    this.#gathered.push(line);
    if (this.#gathered.length >= linesPerWrite || (this.#gathered.length > 1 && now >= this.#flushBy)) {
      this.#flush();
    } else if (this.#gathered.length === 1) {
      this.#flushBy = now + LONGEST_WAIT_MS;
      keepAlive(scheduler.wait(LONGEST_WAIT_MS).then(() => this.#flush()));
    }
  }

  #flush(): void {
    if (this.#gathered.length === 0) return;
    console.log(this.#gathered.join("\n"));
    this.#gathered = [];
  }
}

/** The unexpected part of a failure, for operators alone. */
export function logCause(cause: unknown, requestId: string): void {
  console.error(JSON.stringify({ level: "error", request_id: requestId, cause: String(cause) }));
}
