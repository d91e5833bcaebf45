/**
 * A closed-loop load generator: a fixed number of connections, each sending its next request when the last is
 * answered. It answers "how many requests a second at this concurrency", which is what the ratios compare; it hides
 * queueing under overload, for which an open loop is needed.
 *
 * It runs as a process of its own and does as little as it can per request (ready bytes out, Content-Length counted
 * in), since it shares two cores with what it measures.
 */
import { connect } from "node:net";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { z } from "zod";

export const loadSettings = z.object({
  port: z.int(),
  /** The whole request, head and body, in base64. */
  request: z.string(),
  connections: z.int().min(1),
  warmUpMs: z.int().min(0),
  measureMs: z.int().min(1),
});
export type LoadSettings = z.infer<typeof loadSettings>;

export const loadResult = z.object({
  requestsPerSecond: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  /** Answers that were not 200; a bench with any is worthless. */
  failures: z.int(),
});
export type LoadResult = z.infer<typeof loadResult>;

export function load(settings: LoadSettings): Promise<LoadResult> {
  const request = Buffer.from(settings.request, "base64");
  const latencies: number[] = [];
  let measuring = false;
  let failures = 0;
  const sockets = Array.from({ length: settings.connections }, () => {
    const socket = connect({ port: settings.port, host: "127.0.0.1", noDelay: true });
    let sentAt = 0;
    let received = "";
    const sendNext = () => {
      sentAt = performance.now();
      socket.write(request);
    };
    socket.on("connect", sendNext);
    socket.on("error", () => failures++);
    socket.on("data", (chunk: Buffer) => {
      received = received === "" ? chunk.toString("latin1") : received + chunk.toString("latin1");
      const whole = responseLength(received);
      if (whole === undefined || received.length < whole) return;
      if (!received.startsWith("HTTP/1.1 200")) failures++;
      received = received.slice(whole);
      if (measuring) latencies.push(performance.now() - sentAt);
      sendNext();
    });
    return socket;
  });
  const { promise, resolve } = Promise.withResolvers<LoadResult>();
  setTimeout(() => {
    measuring = true;
    const startedAt = performance.now();
    setTimeout(() => {
      measuring = false;
      const seconds = (performance.now() - startedAt) / 1000;
      for (const socket of sockets) socket.destroy();
      latencies.sort((a, b) => a - b);
      resolve({
        requestsPerSecond: latencies.length / seconds,
        p50Ms: latencies[Math.floor(latencies.length * 0.5)] ?? 0,
        p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
        failures,
      });
    }, settings.measureMs);
  }, settings.warmUpMs);
  return promise;
}

/** Length of the response that the text begins with, or undefined while its head is not whole. */
function responseLength(text: string): number | undefined {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, headEnd + 2))?.[1];
  if (length === undefined) throw new Error("the server answers without Content-Length");
  return headEnd + 4 + Number(length);
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const settings = loadSettings.parse(JSON.parse(argv[2] ?? ""));
  process.stdout.write(`${JSON.stringify(await load(settings))}\n`);
}
