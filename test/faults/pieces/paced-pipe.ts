import type { Socket } from "node:net";

/** How one direction of a connection passes bytes on. */
export interface Pace {
  /** How long the next chunk is under way, in milliseconds. */
  readonly delayMs: () => number;
  /** Infinity without a limit. */
  readonly bytesPerSecond: number;
  /** Bytes under way beyond which the sender is not read from. */
  readonly mostHeld: number;
}

/** A chunk, or what is to be done once all before it has been passed on. */
type Entry =
  | { readonly kind: "bytes"; readonly bytes: Buffer; readonly dueAt: number }
  | { readonly kind: "act"; readonly act: () => void; readonly dueAt: number };

/** A limited link passes on what it takes in such a time at once. */
const SLICE_MS = 20;

/** One direction of a connection: everything in order, at the pace that counts at that moment. */
export class PacedPipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #pace: () => Pace;
  readonly #onPassed: (bytes: number) => void;
  readonly #queue: Entry[] = [];
  #held = 0;
  /** When a limited link has room again. */
  #freeAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(from: Socket, to: Socket, pace: () => Pace, onPassed: (bytes: number) => void) {
    this.#from = from;
    this.#to = to;
    this.#pace = pace;
    this.#onPassed = onPassed;
    to.on("drain", () => this.#pump());
  }

  push(bytes: Buffer): void {
    if (this.#closed || bytes.length === 0) return;
    this.#held += bytes.length;
    this.#queue.push({ kind: "bytes", bytes, dueAt: this.#dueAt() });
    this.#pump();
  }

  /** Does something once all that was pushed has been passed on. */
  after(act: () => void): void {
    if (this.#closed) return;
    this.#queue.push({ kind: "act", act, dueAt: this.#dueAt() });
    this.#pump();
  }

  /** To be called when there is another pace. */
  paceChanged(): void {
    this.#freeAt = 0;
    this.#pump();
  }

  /** Drops what is under way. */
  close(): void {
    this.#closed = true;
    this.#queue.length = 0;
    clearTimeout(this.#timer);
  }

  #dueAt(): number {
    const last = this.#queue.at(-1)?.dueAt ?? 0;
    return Math.max(last, performance.now() + this.#pace().delayMs());
  }

  #pump(): void {
    clearTimeout(this.#timer);
    for (let head = this.#queue[0]; head; head = this.#queue[0]) {
      const { bytesPerSecond } = this.#pace();
      const now = performance.now();
      const waits = head.kind === "bytes" && bytesPerSecond !== Number.POSITIVE_INFINITY;
      const at = waits ? Math.max(head.dueAt, this.#freeAt) : head.dueAt;
      if (at > now) {
        this.#timer = setTimeout(() => this.#pump(), at - now);
        break;
      }
      if (head.kind === "act") {
        this.#queue.shift();
        head.act();
      } else {
        if (this.#to.writableNeedDrain) break;
        this.#pass(head.bytes, head.dueAt, bytesPerSecond, now);
      }
    }
    if (this.#closed) return;
    // The sender must feel a slow receiver, or this process would hold what the two of them should.
    if (this.#held > this.#pace().mostHeld || this.#to.writableNeedDrain) this.#from.pause();
    else this.#from.resume();
  }

  #pass(bytes: Buffer, dueAt: number, bytesPerSecond: number, now: number): void {
    const most = Math.max(1, Math.floor((bytesPerSecond * SLICE_MS) / 1000));
    const slice = bytes.subarray(0, most);
    const rest = bytes.subarray(slice.length);
    if (rest.length > 0) this.#queue[0] = { kind: "bytes", bytes: rest, dueAt };
    else this.#queue.shift();
    this.#held -= slice.length;
    // Not from now on, or every timer that is late would make the link slower than was asked for.
    this.#freeAt = Math.max(this.#freeAt, now - SLICE_MS) + (slice.length * 1000) / bytesPerSecond;
    if (!this.#to.writable) return;
    this.#to.write(slice);
    this.#onPassed(slice.length);
  }
}
