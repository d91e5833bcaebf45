/**
 * Reads HTTP/1.1 responses off one connection that carries one at a time, as cheaply as can be: a load generator shares
 * its cores with what it measures. Only what every subject of the benchmarks sends is understood: a status line and
 * Content-Length.
 */
const HEAD_END = Buffer.from("\r\n\r\n");

export class ResponseReader {
  #held: Buffer | undefined;
  #left = 0;
  #status = 0;

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
    const head = bytes.toString("latin1", 0, headEnd + 2);
    this.#status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)\r/i.exec(head)?.[1];
    // Without it the end cannot be told; such answers are short refusals, whose body came with the head.
    if (length === undefined) return this.#status;
    this.#left = Number(length);
    return this.#take(bytes.length - headEnd - HEAD_END.length);
  }

  #take(length: number): number | undefined {
    this.#left -= length;
    if (this.#left < 0) throw new Error("the server answers more than it was asked");
    return this.#left === 0 ? this.#status : undefined;
  }
}
