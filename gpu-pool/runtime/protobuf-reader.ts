/**
 * Reads the fields of a protobuf message in a file of any size, without ever holding more of it than one window: what is
 * not asked for is skipped, however long it is (https://protobuf.dev/programming-guides/encoding).
 *
 *     for (const field of reader.fields(0, reader.size)) if (field.id === 1) console.log(field.value);
 *
 * Promises: every number is checked against the bounds of the message that it is in; the time is in proportion to the
 * number of fields, not to the bytes between them. Groups, which ONNX has never used, count as damage.
 */
import { readSync } from "node:fs";

const WINDOW_BYTES = 64 * 1024;
/** Of a whole number of 64 bits, seven bits a byte. */
const LONGEST_VARINT = 10;

export class MalformedMessage extends Error {
  override readonly name = "MalformedMessage";
}

export type Field =
  | { readonly kind: "number"; readonly id: number; readonly value: number }
  /** Text, bytes, a message or packed numbers: `start` and `end` are offsets in the file. */
  | { readonly kind: "bytes"; readonly id: number; readonly start: number; readonly end: number };

export class ProtobufReader {
  /** Bytes of the file. */
  readonly size: number;
  readonly #descriptor: number;
  readonly #window = Buffer.alloc(WINDOW_BYTES);
  #windowStart = 0;
  #windowLength = 0;

  /** @param descriptor of a file that is open for reading; it stays the caller's to close */
  constructor(descriptor: number, size: number) {
    this.#descriptor = descriptor;
    this.size = size;
  }

  /**
   * The fields between two offsets, in the file's order.
   *
   * @throws MalformedMessage
   */
  *fields(start: number, end: number): Generator<Field> {
    let at = start;
    while (at < end) {
      const tag = this.#varint(at, end);
      at = tag.end;
      const id = Math.floor(tag.value / 8);
      switch (tag.value % 8) {
        case 0: {
          const { value, end: after } = this.#varint(at, end);
          at = after;
          yield { kind: "number", id, value };
          break;
        }
        case 1:
          at = within(at + 8, end);
          break;
        case 2: {
          const length = this.#varint(at, end);
          at = within(length.end + length.value, end);
          yield { kind: "bytes", id, start: length.end, end: at };
          break;
        }
        case 5:
          at = within(at + 4, end);
          break;
        default:
          throw new MalformedMessage("a field has a type that does not exist");
      }
    }
  }

  /**
   * A field's bytes as text.
   *
   * @param longest in bytes
   * @throws MalformedMessage when it is longer
   */
  text(start: number, end: number, longest: number): string {
    if (end - start > longest) throw new MalformedMessage("a text is too long");
    const bytes = Buffer.alloc(end - start);
    for (let index = 0; index < bytes.length; index++) bytes[index] = this.#byteAt(start + index);
    return bytes.toString("utf8");
  }

  /** Numbers beyond 2^53 lose their last digits; nothing that is looked at here is so large. */
  #varint(at: number, end: number): { readonly value: number; readonly end: number } {
    let value = 0;
    let scale = 1;
    for (let index = 0; index < LONGEST_VARINT; index++) {
      if (at + index >= end) throw new MalformedMessage("it ends in the middle of a field");
      const byte = this.#byteAt(at + index);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return { value, end: at + index + 1 };
      scale *= 128;
    }
    throw new MalformedMessage("a number has too many bytes");
  }

  #byteAt(offset: number): number {
    let index = offset - this.#windowStart;
    if (index < 0 || index >= this.#windowLength) {
      this.#windowLength = readSync(this.#descriptor, this.#window, 0, WINDOW_BYTES, offset);
      this.#windowStart = offset;
      index = 0;
    }
    if (index >= this.#windowLength) throw new MalformedMessage("the file has become shorter while it was read");
    return this.#window[index] ?? 0;
  }
}

function within(offset: number, end: number): number {
  if (offset > end) throw new MalformedMessage("a field is longer than what it is in");
  return offset;
}
