/**
 * The main thread's hold on one loaded model: it lives in a worker thread of its own and is spoken to by messages.
 *
 * Promises: every run is answered, with outputs or an error, also when the thread dies; a load that fails leaves
 * nothing behind. A run cannot be cancelled: ONNX Runtime has no way to.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { TakenBack } from "../scheduler/executor.ts";
import { type Answering, Completions, type Progress } from "./completions.ts";
import type { TransferableTensor } from "./ort-tensor.ts";
import { publicReason } from "./public-reason.ts";
import type { SessionSignature } from "./signature.ts";
import type { FromWorker, ToWorker, WorkerSettings, WorkerStart } from "./worker-protocol.ts";

export interface RunResult {
  readonly outputs: readonly TransferableTensor[];
  /** Time inside ONNX Runtime, in milliseconds. */
  readonly computeMs: number;
}

interface PendingRun {
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: Error) => void;
  /** What it is known to take at most, in milliseconds; undefined leaves it to the runs before it. */
  readonly boundMs: (() => number) | undefined;
}

/** Of 32 bits, as the memory that threads share has them. */
const LARGEST_ID = 2 ** 31 - 1;

export class ModelInstance implements Answering {
  readonly signature: SessionSignature;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #completions: Completions;
  readonly #pending = new Map<number, PendingRun>();
  /** Number of the run that is not to begin, in memory that both threads see. */
  readonly #takenBack: Int32Array;
  #lastRunId = 0;
  /** When the run that goes on began. */
  #begunAt = 0;
  #closing = false;
  #exited = false;
  /** What it is called in the log. */
  model = "a model";
  /** The longest run so far, in milliseconds; who knows of earlier ones may set it. */
  longestMs = 0;
  /** Called once if the thread ends without having been asked to. */
  onCrash: ((reason: string) => void) | undefined;

  private constructor(
    worker: Worker,
    port: MessagePort,
    takenBack: Int32Array,
    signature: SessionSignature,
    completions: Completions,
  ) {
    this.#takenBack = takenBack;
    this.#worker = worker;
    this.#port = port;
    this.#completions = completions;
    this.signature = signature;
    port.on("message", (message: FromWorker) => this.#receive(message));
    // After a load the thread must not keep the process alive by itself.
    port.unref();
    worker.unref();
    let reason = "the model's thread ended";
    worker.on("error", (error) => {
      reason = error.message;
    });
    worker.on("exit", () => {
      this.#exited = true;
      for (const run of this.#pending.values()) {
        run.reject(new WarmgateError("internal", "the model's thread ended during the run"));
      }
      this.#pending.clear();
      completions.ended(this);
      if (!this.#closing) this.onCrash?.(publicReason(reason));
    });
  }

  /**
   * Starts a thread and loads the model in it.
   *
   * @throws WarmgateError `model_rejected` with ONNX Runtime's reason
   */
  static load(
    settings: WorkerSettings,
    completions = new Completions(() => performance.now()),
  ): Promise<ModelInstance> {
    const { port1: port, port2 } = new MessageChannel();
    const takenBack = new Int32Array(new SharedArrayBuffer(4));
    const start: WorkerStart = { settings, port: port2, takenBack };
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: start, transferList: [port2] });
    return new Promise((resolve, reject) => {
      const rejected = (reason: string) => {
        port.close();
        reject(new WarmgateError("model_rejected", publicReason(reason)));
      };
      const onError = (error: Error) => rejected(error.message);
      const onExit = () => rejected("the thread ended while the model was loading");
      worker.once("error", onError);
      worker.once("exit", onExit);
      port.once("message", (message: FromWorker) => {
        worker.off("error", onError).off("exit", onExit);
        if (message.kind === "loaded")
          resolve(new ModelInstance(worker, port, takenBack, message.signature, completions));
        else rejected(message.kind === "load_failed" ? message.reason : "the thread answered out of order");
      });
    });
  }

  /**
   * Runs the model once, after the runs that were asked for before. The inputs' buffers move to the worker thread and are empty
   * here afterwards.
   *
   * @param boundMs what a run like this one is known to take at most, in milliseconds; asked only when it takes long
   * @throws TakenBack; WarmgateError `model_failed`, or `invalid_data` for strings that the runtime cannot take
   */
  run(inputs: TransferableTensor[], outputs: readonly string[], boundMs?: () => number): Promise<RunResult> {
    if (this.#exited || this.#closing) {
      return Promise.reject(
        new WarmgateError("model_not_ready", "the model is being unloaded", { retryAfterSeconds: 1 }),
      );
    }
    this.#lastRunId = (this.#lastRunId % LARGEST_ID) + 1;
    const id = this.#lastRunId;
    const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
    if (this.#pending.size === 0) this.#begunAt = this.#completions.now();
    this.#pending.set(id, { resolve, reject, boundMs });
    this.#completions.began(this);
    this.#post(
      { kind: "run", id, inputs, outputs },
      inputs.map((input) => input.buffer),
    );
    return promise;
  }

  /** Keeps the last run from beginning if it waits for another; one that has begun goes on. */
  takeBack(): void {
    if (this.#pending.size > 1) Atomics.store(this.#takenBack, 0, this.#lastRunId);
  }

  /** Lets the runs that have begun finish, releases the session and ends the thread. */
  close(): Promise<void> {
    if (this.#exited) return Promise.resolve();
    const exited = new Promise<void>((resolve) => this.#worker.once("exit", () => resolve()));
    if (!this.#closing) {
      this.#closing = true;
      this.#worker.ref();
      this.#post({ kind: "close" });
    }
    return exited;
  }

  #post(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message, transfer);
  }

  takeIn(): void {
    for (let received = this.#next(); received; received = this.#next()) this.#receive(received.message);
  }

  progress(now: number): Progress | undefined {
    const [run] = this.#pending.values();
    if (!run) return undefined;
    return { model: this.model, runningMs: now - this.#begunAt, boundMs: run.boundMs?.() ?? this.longestMs };
  }

  #next(): { readonly message: FromWorker } | undefined {
    return this.#pending.size > 0 ? receiveMessageOnPort(this.#port) : undefined;
  }

  #receive(message: FromWorker): void {
    if (message.kind === "loaded" || message.kind === "load_failed") return;
    const run = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    // The next one, if there is one, has begun by now.
    const endedAt = this.#completions.now();
    this.longestMs = Math.max(this.longestMs, endedAt - this.#begunAt);
    this.#begunAt = endedAt;
    if (this.#pending.size === 0) this.#completions.ended(this);
    if (message.kind === "done") run?.resolve({ outputs: message.outputs, computeMs: message.computeMs });
    else if (message.kind === "taken_back") run?.reject(new TakenBack());
    else run?.reject(new WarmgateError(message.code, publicReason(message.reason)));
  }
}
