import { appendFileSync, existsSync, renameSync, rmSync, statSync } from "node:fs";

const LARGEST_BYTES = 16 * 1024 * 1024;
const FLUSH_AFTER_MS = 100;
const FLUSH_AT_CHARACTERS = 64 * 1024;

/**
 * A log file that never takes more than twice its cap: when it is full it becomes `<file>.1` and a new one begins.
 * Lines are gathered and written several times a second, so that logging each request does not cost a write each.
 */
export class CappedLog {
  readonly file: string;
  #size: number;
  #pending = "";
  #timer: NodeJS.Timeout | undefined;

  constructor(file: string) {
    this.file = file;
    this.#size = existsSync(file) ? statSync(file).size : 0;
    process.once("exit", () => this.flush());
  }

  write(line: string): void {
    this.#pending += `${line}\n`;
    if (this.#pending.length >= FLUSH_AT_CHARACTERS) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), FLUSH_AFTER_MS).unref();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pending === "") return;
    if (this.#size > LARGEST_BYTES) {
      rmSync(`${this.file}.1`, { force: true });
      renameSync(this.file, `${this.file}.1`);
      this.#size = 0;
    }
    appendFileSync(this.file, this.#pending, { mode: 0o600 });
    this.#size += Buffer.byteLength(this.#pending);
    this.#pending = "";
  }
}
