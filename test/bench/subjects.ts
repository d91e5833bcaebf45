/** Starts what the benchmarks measure, each as processes of its own on ports that the system picks. */
import { type ChildProcess, fork } from "node:child_process";
import { z } from "zod";
import { supervisorMessage } from "../../gpu-pool/process-messages.ts";

export interface RunningSubject {
  readonly port: number;
  stop(): Promise<void>;
}

/** A pool that takes unsigned requests: the protocol work without the signature. */
export function startOpenPool(modelFolders: readonly string[]): Promise<RunningSubject> {
  const file = new URL("../../gpu-pool/supervisor.ts", import.meta.url);
  const options = ["--port", "0", "--ops-port", "0", "--pool-auth", "open", "--log-level", "warn"];
  return start(fork(file, [...options, ...modelFolders.flatMap((folder) => ["--models", folder])]), (message) => {
    const parsed = supervisorMessage.parse(message);
    if (parsed.kind === "failed") throw new Error(parsed.reason);
    return parsed.port;
  });
}

export function startUsualServer(modelFile: string): Promise<RunningSubject> {
  const child = fork(new URL("./usual-server.ts", import.meta.url), [modelFile]);
  return start(child, (message) => z.object({ port: z.int() }).parse(message).port);
}

function start(child: ChildProcess, portIn: (message: unknown) => number): Promise<RunningSubject> {
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`a benchmark's process ended with ${code}`)));
    child.once("message", (message) => {
      resolve({
        port: portIn(message),
        stop() {
          child.kill("SIGTERM");
          return exited;
        },
      });
    });
  });
}

/** An inference request of one row of grey values, as an HTTP/1.1 message. */
export function inferenceRequest(
  model: string,
  input: string,
  width: number,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  const data = Array.from({ length: width }, (_, index) => (index * 7) % 17);
  const body = JSON.stringify({ inputs: [{ name: input, shape: [1, width], datatype: "FP32", data }] });
  const lines = Object.entries({ host: "bench", "content-type": "application/json", ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return Buffer.from(
    `POST /v2/models/${model}/infer HTTP/1.1\r\n${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
