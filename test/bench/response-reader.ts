/**
 * Reads HTTP/1.1 responses off one connection that carries one at a time, as cheaply as can be: a load generator shares
 * its cores with what it measures. Only what every subject of the benchmarks sends is understood: a status line and
 * Content-Length.
 */
const HEAD_END = Buffer.from("\r\n\r\n");
const ZERO = 48;

export class ResponseReader {
  #held: Buffer | undefined;
  #left = 0;
  #status = 0;
  /** The line's start as this server spells it, so that only the first head needs to be searched as text. */
  #lengthField: Buffer | undefined;

  /** @returns the status once a response is whole, undefined before; a new response begins with the next chunk */
  read(chunk: Buffer): number | undefined {
    if (this.#left > 0) return this.#take(chunk.length);
    const bytes = this.#held ? Buffer.concat([this.#held, chunk]) : chunk;
    const headEnd = bytes.indexOf(HEAD_END);
    if (headEnd < 0) {
      this.#held = bytes;
      return undefined;
    }
    this.#held = undefined;
    this.#status = numberAt(bytes, 9);
    const length = this.#contentLength(bytes, headEnd);
    // Without it the end cannot be told; such answers are short refusals, whose body came with the head.
    if (length === undefined) return this.#status;
    this.#left = length;
    return this.#take(bytes.length - headEnd - HEAD_END.length);
  }

  #contentLength(bytes: Buffer, headEnd: number): number | undefined {
    if (this.#lengthField) {
      const at = bytes.indexOf(this.#lengthField);
      if (at >= 0 && at < headEnd) return numberAt(bytes, at + this.#lengthField.length);
    }
    const head = bytes.toString("latin1", 0, headEnd + 2);
    const [, field, length] = /(\r\ncontent-length: *)(\d+)\r/i.exec(head) ?? [];
    if (field === undefined) return undefined;
    this.#lengthField = Buffer.from(field, "latin1");
    return Number(length);
  }

  #take(length: number): number | undefined {
    this.#left -= length;
    if (this.#left < 0) throw new Error("the server answers more than it was asked");
    return this.#left === 0 ? this.#status : undefined;
  }
}

/** The decimal number that begins at a byte. */
function numberAt(bytes: Buffer, start: number): number {
  let value = 0;
  for (let at = start; ; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return value;
    value = value * 10 + digit;
  }
}
