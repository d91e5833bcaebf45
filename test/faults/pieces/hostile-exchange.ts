/** Bytes on a connection of their own, and what came back, if anything. */
import { connect } from "node:net";

export type HostileReply =
  | {
      readonly kind: "replied";
      readonly status: number;
      /** By lower-case name. */
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string;
    }
  /** The connection was ended without a reply. */
  | { readonly kind: "ended" }
  /** Nothing came although this side had ended; the connection was given up. */
  | { readonly kind: "hung" };

/** How long a reply may take before this side ends, as what was sent may be the beginning of something longer. */
const WHOLE_MS = 150;
const GIVEN_UP_MS = 8_000;

export function hostileExchange(port: number, bytes: Uint8Array): Promise<HostileReply> {
  const isHead = Buffer.from(bytes.subarray(0, 5)).toString("latin1") === "HEAD ";
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    let received = Buffer.alloc(0);
    const settle = (reply: HostileReply) => {
      clearTimeout(ending);
      clearTimeout(givingUp);
      socket.destroy();
      resolve(reply);
    };
    const ending = setTimeout(() => socket.end(), WHOLE_MS);
    const givingUp = setTimeout(() => settle(replyIn(received, isHead, true) ?? { kind: "hung" }), GIVEN_UP_MS);
    socket.on("connect", () => socket.write(bytes));
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      const reply = replyIn(received, isHead, false);
      if (reply) settle(reply);
    });
    for (const event of ["end", "close", "error"]) {
      socket.on(event, () => settle(replyIn(received, isHead, true) ?? { kind: "ended" }));
    }
  });
}

/** The first final reply, once it is whole or nothing more will come. */
function replyIn(received: Buffer, isHead: boolean, isAll: boolean): HostileReply | undefined {
  let text = received.toString("latin1");
  while (/^HTTP\/1\.1 1\d\d /.test(text) && text.includes("\r\n\r\n")) text = text.slice(text.indexOf("\r\n\r\n") + 4);
  const head = /^HTTP\/1\.[01] (\d{3})[^\r\n]*\r\n([\s\S]*?)\r\n\r\n/.exec(text);
  if (!head) return undefined;
  const headers: Record<string, string> = {};
  for (const line of (head[2] ?? "").split("\r\n")) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  // A reply to HEAD has the length of the body that it does not have (RFC 9110, 9.3.2).
  const length = isHead ? "0" : headers["content-length"];
  // What follows answers what a server took for the next request.
  const body = text.slice(head[0].length, length === undefined ? undefined : head[0].length + Number(length));
  const isWhole = length === undefined ? body.endsWith("0\r\n\r\n") : body.length === Number(length);
  if (!isWhole && !isAll) return undefined;
  return { kind: "replied", status: Number(head[1]), headers, body };
}
