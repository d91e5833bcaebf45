/**
 * Gives memory back to the system when it is short, as the action `shrink_heap` of Envoy's overload manager does.
 *
 * V8 collects when something is allocated. A thread that is idle, because work is being refused, allocates nothing and
 * keeps the buffers of the last requests for good: then memory stays short, and work stays refused, with no load at all.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { BroadcastChannel } from "node:worker_threads";

const CHANNEL = "warmgate.collect-garbage";

/** Collects in this thread now (some 20 ms for the pool's heap) and asks every listening thread to. */
export function collectGarbage(): void {
  collectHere();
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage(undefined);
  channel.close();
}

/** Makes this thread collect when another one asks for it. It does not keep the thread alive. */
export function collectGarbageWhenAsked(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.unref();
  channel.onmessage = collectHere;
}

function collectHere(): void {
  // The flag puts `gc` into contexts made after it; a command line flag would put it into ours.
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
}
