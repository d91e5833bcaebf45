/** Starts what the benchmarks measure, each as processes of its own on ports that the system picks. */
import { type ChildProcess, fork } from "node:child_process";
import { z } from "zod";
import { supervisorMessage } from "../../gpu-pool/process-messages.ts";
import { encodeInferenceRequest } from "../../shared/protocol/request.ts";
import type { InferenceRequest } from "../../shared/protocol/tensor.ts";

export interface RunningSubject {
  readonly port: number;
  /** Where it tells its metrics, if it does. */
  readonly opsPort?: number | undefined;
  readonly pid?: number | undefined;
  stop(): Promise<void>;
}

/** A pool that takes unsigned requests: the protocol work without the signature. */
export function startOpenPool(
  modelFolders: readonly string[],
  poolOptions: readonly string[] = [],
): Promise<RunningSubject> {
  const file = new URL("../../gpu-pool/supervisor.ts", import.meta.url);
  const usual = ["--port", "0", "--ops-port", "0", "--pool-auth", "open", "--log-level", "warn"];
  const options = [...usual, ...poolOptions];
  return start(fork(file, [...options, ...modelFolders.flatMap((folder) => ["--models", folder])]), (message) => {
    const parsed = supervisorMessage.parse(message);
    if (parsed.kind === "failed") throw new Error(parsed.reason);
    return parsed;
  });
}

export function startUsualServer(modelFile: string): Promise<RunningSubject> {
  const child = fork(new URL("./usual-server.ts", import.meta.url), [modelFile]);
  return start(child, (message) => z.object({ port: z.int() }).parse(message));
}

function start(
  child: ChildProcess,
  portsIn: (message: unknown) => { readonly port: number; readonly opsPort?: number },
): Promise<RunningSubject> {
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`a benchmark's process ended with ${code}`)));
    child.once("message", (message) => {
      const { port, opsPort } = portsIn(message);
      resolve({
        port,
        opsPort,
        pid: child.pid,
        stop() {
          child.kill("SIGTERM");
          return exited;
        },
      });
    });
  });
}

/** An inference request of one row, binary both ways, as an HTTP/1.1 message. */
export function binaryRequest(
  model: string,
  shape: readonly number[],
  headers: Readonly<Record<string, string>> = {},
  parameters: InferenceRequest["parameters"] = {},
): Buffer {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1)).map(
    (_, index) => (index * 7) % 17,
  );
  const { body, headerLength } = encodeInferenceRequest({
    inputs: [{ name: "input", datatype: "FP32", shape, bytes: new Uint8Array(values.buffer) }],
    parameters,
    binaryOutput: true,
  });
  const fields = { host: "bench", ...headers, "inference-header-content-length": String(headerLength) };
  return httpMessage(`/v2/models/${model}/infer`, fields, body);
}

/** An inference request of one row of grey values in JSON, as an HTTP/1.1 message. */
export function inferenceRequest(
  model: string,
  input: string,
  width: number,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  const data = Array.from({ length: width }, (_, index) => (index * 7) % 17);
  const body = JSON.stringify({ inputs: [{ name: input, shape: [1, width], datatype: "FP32", data }] });
  const fields = { host: "bench", "content-type": "application/json", ...headers };
  return httpMessage(`/v2/models/${model}/infer`, fields, Buffer.from(body));
}

function httpMessage(path: string, headers: Readonly<Record<string, string>>, body: Uint8Array): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `POST ${path} HTTP/1.1\r\n${lines.join("")}content-length: ${body.byteLength}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}
