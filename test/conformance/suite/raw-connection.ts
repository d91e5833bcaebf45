/** A bare TCP or TLS connection, for bytes that an HTTP library refuses to send. */
import net from "node:net";
import tls from "node:tls";

/** The most that is kept of what the server says. */
const MAX_KEPT_BYTES = 64 * 1024;

export interface Heard {
  readonly text: string;
  /** Status of the first reply; absent if none came. */
  readonly status?: number;
  readonly closed: boolean;
}

/** Sends the bytes and listens until the connection closes, `until` says so, or `waitMs` have passed. */
export function hear(url: URL, bytes: Buffer, waitMs: number, until: (text: string) => boolean): Promise<Heard> {
  const secure = url.protocol === "https:";
  const port = Number(url.port === "" ? (secure ? 443 : 80) : url.port);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const { promise, resolve } = Promise.withResolvers<Heard>();
  const socket = secure ? tls.connect({ host, port, servername: host }) : net.connect({ host, port });
  let text = "";
  const finish = (closed: boolean): void => {
    clearTimeout(timer);
    socket.destroy();
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1];
    resolve({ text, closed, ...(status === undefined ? {} : { status: Number(status) }) });
  };
  const timer = setTimeout(() => finish(false), waitMs);
  socket.on("data", (part: Buffer) => {
    if (text.length < MAX_KEPT_BYTES) text += part.toString("latin1");
    if (until(text)) finish(false);
  });
  socket.on("error", () => finish(true));
  socket.on("close", () => finish(true));
  socket.write(bytes);
  return promise;
}

/** The head of a request with the given lines, ended by the empty line. */
export function head(url: URL, method: string, lines: readonly string[]): string {
  return [`${method} ${url.pathname} HTTP/1.1`, `Host: ${url.host}`, ...lines, "", ""].join("\r\n");
}
