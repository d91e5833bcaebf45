/**
 * The process that artefacts are tried in. Its main thread watches: it ends the whole process when the model takes more
 * memory than it may, and when the process that asked has gone. ONNX Runtime has a thread of its own, as it blocks it.
 *
 * Nothing here is asked to stop in order: a thread in the middle of a run cannot be, so the process kills itself.
 */
import { writeFile } from "node:fs/promises";
import { constants, setPriority } from "node:os";
import { Worker } from "node:worker_threads";
import type { ProbeReply, ProbeRequest, ThreadReply } from "./probe-messages.ts";

/** What a model can take in between without being seen: as much as the system clears and maps in this time. */
const LOOK_EVERY_MS = 10;
const MIB = 1024 ** 2;

interface Probing {
  readonly id: number;
  readonly memoryLimitBytes: number;
  readonly startBytes: number;
  /** Most that the process has grown by since. */
  peakBytes: number;
}

let probing: Probing | undefined;

try {
  // Who is being served comes first. Inherited by the threads that are started from here on.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
} catch {
  // Not allowed to: it competes as an equal.
}
// Where memory runs out all the same, this is the process for the system to end, not its parent (proc(5)); Linux only.
await writeFile("/proc/self/oom_score_adj", "1000").catch(() => undefined);

const thread = new Worker(new URL("./probe-thread.ts", import.meta.url));
const ready = Promise.withResolvers<void>();
thread.on("message", (reply: ThreadReply) => {
  if (reply.kind === "ready") return ready.resolve();
  if (reply.kind === "loaded") return tell(reply);
  const memoryBytes = probing ? peakBytes(probing) : 0;
  probing = undefined;
  tell(reply.kind === "passed" ? { ...reply, report: { ...reply.report, memoryBytes } } : reply);
});
thread.on("error", (error) => {
  if (probing) tell({ kind: "failed", id: probing.id, reason: error.message });
});
thread.on("exit", end);

process.on("message", (request: ProbeRequest) => {
  void ready.promise.then(() => {
    const { id, memoryLimitBytes } = request;
    probing = { id, memoryLimitBytes, startBytes: process.memoryUsage.rss(), peakBytes: 0 };
    thread.postMessage(request);
  });
});
process.on("disconnect", end);
// It may have gone before anybody listened.
if (!process.connected) end();
setInterval(() => {
  if (!probing) return;
  const bytes = peakBytes(probing);
  const { id, memoryLimitBytes } = probing;
  if (bytes <= memoryLimitBytes) return;
  const reason = `it takes more memory than there is: over ${inMib(bytes)} of ${inMib(memoryLimitBytes)} MiB`;
  tell({ kind: "failed", id, reason }, end);
  probing = undefined;
}, LOOK_EVERY_MS);

function peakBytes(of: Probing): number {
  of.peakBytes = Math.max(of.peakBytes, process.memoryUsage.rss() - of.startBytes);
  return of.peakBytes;
}

function inMib(bytes: number): number {
  return Math.round(bytes / MIB);
}

function tell(reply: ProbeReply, sent?: () => void): void {
  if (process.connected) process.send?.(reply, undefined, undefined, () => sent?.());
}

function end(): void {
  process.kill(process.pid, "SIGKILL");
}
