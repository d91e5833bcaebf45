/** Smallest room made for bytes that come in more than one piece. */
const FIRST_ROOM = 128 * 1024;

/**
 * Bytes that come in pieces, put together as they come: one block instead of thousands of pieces. Pieces that are kept
 * leave the allocator with holes that it never gives back to the system. Room doubles, so it is at most twice what has
 * come, whatever was announced; the block that it outgrows is freed at once, not at the next garbage collection.
 */
export class GrowingBytes {
  #room = new ArrayBuffer(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(piece: Uint8Array): void {
    const length = this.#length + piece.byteLength;
    if (length > this.#room.byteLength) {
      this.#room = this.#room.transfer(Math.max(FIRST_ROOM, length, 2 * this.#room.byteLength));
    }
    new Uint8Array(this.#room).set(piece, this.#length);
    this.#length = length;
  }

  /** What has come so far; the next piece makes it unusable. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#room, 0, this.#length);
  }

  /** Frees the room now. */
  clear(): void {
    this.#room = this.#room.transfer(0);
    this.#length = 0;
  }
}
