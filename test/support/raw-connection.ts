/** A bare TCP connection, for bytes that an HTTP library refuses to send. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { until, within } from "./until.ts";

export interface RawReply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export class RawConnection {
  readonly socket: Socket;
  readonly #ended: Promise<unknown>;
  #received = Buffer.alloc(0);
  /** Set when the server has ended or reset the connection. */
  over = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.#ended = new Promise<void>((resolve) => {
      const end = () => {
        this.over = true;
        resolve();
      };
      socket.on("end", end).on("close", end).on("error", end);
    });
    socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
  }

  /** Stays half open when the server ends its side: only the server can be the one to close for good. */
  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    await once(socket, "connect");
    return new RawConnection(socket);
  }

  write(bytes: string | Uint8Array): void {
    if (this.socket.writable) this.socket.write(bytes);
  }

  /** Takes the next complete reply off what has been received. */
  async reply(): Promise<RawReply> {
    return until("a reply on a raw connection", () => {
      const reply = this.#take();
      if (!reply && this.over) throw new Error(`the connection ended after: ${this.#received.toString("latin1")}`);
      return reply;
    });
  }

  /** Resolves when the server has ended the connection. */
  async ended(): Promise<void> {
    await within("the server to end the connection", this.#ended);
  }

  close(): void {
    this.socket.destroy();
  }

  #take(): RawReply | undefined {
    const gap = this.#received.indexOf("\r\n\r\n");
    if (gap < 0) return undefined;
    const [first = "", ...lines] = this.#received.subarray(0, gap).toString("latin1").split("\r\n");
    const headers = new Map(lines.map((line) => [line.split(":", 1)[0]?.toLowerCase() ?? "", afterColon(line)]));
    const end = gap + 4 + Number(headers.get("content-length") ?? 0);
    if (this.#received.length < end) return undefined;
    const body = this.#received.subarray(gap + 4, end).toString("utf8");
    this.#received = this.#received.subarray(end);
    return { status: Number(first.split(" ")[1]), headers, body };
  }
}

function afterColon(line: string): string {
  return line.slice(line.indexOf(":") + 1).trim();
}

/** Sends the bytes on a connection of its own and gives back the first reply. */
export async function rawExchange(port: number, bytes: string | Uint8Array): Promise<RawReply> {
  const connection = await RawConnection.open(port);
  try {
    connection.write(bytes);
    return await connection.reply();
  } finally {
    connection.close();
  }
}
