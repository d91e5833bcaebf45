/** An inference request that arrived in one piece, as the direct lane takes it. */
export interface WholeMessage {
  readonly target: string;
  /** By lower-case name; no name comes twice. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const LONGEST_HEAD = 8 * 1024;
const REQUEST_LINE = /^POST (\/v2\/models\/[!-~]{1,512}\/infer) HTTP\/1\.1$/;
const NAME = /^[A-Za-z0-9-]{1,64}$/;
/** Visible ASCII and spaces: whatever a line break or a control character could be used for is not the direct lane's. */
const VALUE = /^[ !-~]*$/;
const LENGTH = /^(?:0|[1-9][0-9]{0,7})$/;
/** Headers that change how a message is framed, read or answered. */
const NOT_PLAIN = new Set([
  "transfer-encoding",
  "content-encoding",
  "expect",
  "upgrade",
  "te",
  "trailer",
  "proxy-connection",
  "keep-alive",
]);

/**
 * Reads an inference request if the bytes are exactly one, of the plainest kind: HTTP/1.1, each header once, a
 * Content-Length that the body fills to the byte.
 *
 * Everything else (a part of a request, two of them, any other method, framing or spelling) is undefined, never an error:
 * it is for Node's own parser to accept or refuse. So what this function takes is a strict subset of what that takes,
 * and read the same way (RFC 9112).
 */
export function readWholeMessage(bytes: Buffer): WholeMessage | undefined {
  const text = bytes.toString("latin1", 0, LONGEST_HEAD);
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  let lineEnd = text.indexOf("\r\n");
  const target = REQUEST_LINE.exec(text.slice(0, lineEnd))?.[1];
  if (target === undefined) return undefined;
  const headers: Record<string, string> = Object.create(null);
  while (lineEnd < headEnd) {
    const start = lineEnd + 2;
    lineEnd = text.indexOf("\r\n", start);
    const colon = text.indexOf(":", start);
    if (colon < 0 || colon > lineEnd) return undefined;
    const rawName = text.slice(start, colon);
    const value = text.slice(colon + 1, lineEnd);
    if (!NAME.test(rawName) || !VALUE.test(value)) return undefined;
    const name = rawName.toLowerCase();
    if (name in headers || NOT_PLAIN.has(name)) return undefined;
    headers[name] = value.trim();
  }
  const length = headers["content-length"];
  if (length === undefined || !LENGTH.test(length) || !headers.host) return undefined;
  if (headers.connection !== undefined && headers.connection.toLowerCase() !== "keep-alive") return undefined;
  const bodyStart = headEnd + 4;
  if (bytes.byteLength !== bodyStart + Number(length)) return undefined;
  return { target, headers, body: bytes.subarray(bodyStart) };
}
