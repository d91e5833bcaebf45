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
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { ResponseReader } from "./response-reader.ts";

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
    const reader = new ResponseReader();
    const sendNext = () => {
      sentAt = performance.now();
      socket.write(request);
    };
    socket.on("connect", sendNext);
    socket.on("error", () => failures++);
    socket.on("data", (chunk: Buffer) => {
      const status = reader.read(chunk);
      if (status === undefined) return;
      if (status !== 200) failures++;
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

if (argv[1] === fileURLToPath(import.meta.url)) {
  const settings = loadSettings.parse(JSON.parse(await text(process.stdin)));
  process.stdout.write(`${JSON.stringify(await load(settings))}\n`);
}
