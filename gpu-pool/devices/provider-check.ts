/**
 * Whether an execution provider can be used on this host, found out before any model is touched: in a process that may be
 * lost, as drivers and their libraries crash, with a network of one node.
 *
 *     const decision = decideProvider({ required: true }, await checkProvider("cuda", 0));
 *     if (decision.kind === "refuse") throw new Error(decision.reason);
 *
 * Promises: a provider is used only if it has computed something; where it is required, nothing starts without it; where
 * it is only preferred, going without is told, never silent.
 *
 * Worst case: a driver that hangs costs `CHECK_LIMIT_MS` at the start.
 */
import { fork } from "node:child_process";
import { z } from "zod";
import { publicReason } from "../runtime/public-reason.ts";

/** The first contact with a GPU loads some hundred MB of libraries, and compiles kernels for one that is newer than they are. */
const CHECK_LIMIT_MS = 60_000;
const MOST_OUTPUT = 64 * 1024;

export type ProviderCheck = { readonly kind: "usable" } | { readonly kind: "unusable"; readonly reason: string };

/** From the child: what ONNX Runtime threw, or nothing. */
export const checkReplySchema = z.object({ failure: z.string().optional() });

/** Tries a provider on a device. Never rejects. */
export function checkProvider(
  provider: "cpu" | "cuda",
  deviceId: number,
  limitMs = CHECK_LIMIT_MS,
): Promise<ProviderCheck> {
  const { promise, resolve } = Promise.withResolvers<ProviderCheck>();
  const unusable = (reason: string) => resolve({ kind: "unusable", reason });
  const child = fork(new URL("./provider-check-child.ts", import.meta.url), [provider, String(deviceId)], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  const timer = setTimeout(() => {
    child.kill("SIGKILL");
    child.unref();
    unusable(`the device has not answered within ${limitMs / 1000} s`);
  }, limitMs);
  let printed = "";
  let reply: z.infer<typeof checkReplySchema> | undefined;
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    printed = (printed + text).slice(0, MOST_OUTPUT);
  });
  child.on("message", (message) => {
    reply = checkReplySchema.safeParse(message).data;
  });
  child.on("error", (error) => unusable(`no process to try it in could be started: ${error.message}`));
  // After everything that it has said.
  child.on("close", (code, signal) => {
    clearTimeout(timer);
    if (reply?.failure !== undefined) unusable(reasonOf(reply.failure, printed));
    else if (reply) resolve({ kind: "usable" });
    else unusable(`it brings down the process that uses it (${signal ?? `exit code ${code}`})`);
  });
  return promise;
}

const NOT_LOADED = /Failed to load library \S+ with error: (?:\S*\/)?([^\s:/]+): cannot open shared object file/g;

/** ONNX Runtime throws that a library could not be loaded, and prints which. */
export function reasonOf(failure: string, printed: string): string {
  const missing = [...printed.matchAll(NOT_LOADED)].map(([, library]) => library);
  if (missing.some((library) => library?.startsWith("libonnxruntime_providers_"))) {
    return "ONNX Runtime's CUDA provider is not installed; npm run cuda adds it";
  }
  const [library] = missing;
  if (library !== undefined) {
    return `${library} is missing; it takes an NVIDIA driver, cuDNN 9 and the CUDA that the provider was built for`;
  }
  return publicReason(failure);
}

export type ProviderDecision =
  | { readonly kind: "use" }
  | { readonly kind: "fall_back"; readonly reason: string }
  | { readonly kind: "refuse"; readonly reason: string };

/** What follows from a check. */
export function decideProvider({ required }: { readonly required: boolean }, check: ProviderCheck): ProviderDecision {
  if (check.kind === "usable") return { kind: "use" };
  if (!required) return { kind: "fall_back", reason: check.reason };
  return {
    kind: "refuse",
    reason: `--provider cuda cannot be used: ${check.reason}. With --provider prefer-cuda models would run on the CPU instead`,
  };
}
