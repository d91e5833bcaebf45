/**
 * Notices a process whose event loop stands still: it answers neither requests nor health, and will not end by itself.
 *
 *     const heartbeat = new Heartbeat({ limitMs: 20_000, ask: () => child.send({ kind: "ping" }), onSilent: () => child.kill("SIGKILL") });
 *     heartbeat.answered();
 *
 * What counts is questions in a row without an answer, not time: when both processes were suspended (a laptop that was
 * closed), nobody is silent. Worst case: a stand-still is noticed `limitMs` and a quarter of it after it began.
 */
const QUESTIONS = 4;

export interface HeartbeatOptions {
  /** How long the process may be silent, in milliseconds; 0: for ever. */
  readonly limitMs: number;
  readonly ask: () => void;
  /** Called once. */
  readonly onSilent: () => void;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #unanswered = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Starts at once. It does not keep the process alive. */
  constructor(options: HeartbeatOptions) {
    this.#options = options;
    if (options.limitMs > 0) this.#timer = setInterval(() => this.#beat(), options.limitMs / QUESTIONS).unref();
  }

  answered(): void {
    this.#unanswered = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    if (this.#unanswered === QUESTIONS) {
      this.stop();
      this.#options.onSilent();
      return;
    }
    this.#unanswered++;
    this.#options.ask();
  }
}
