/** What the main thread and a model's worker thread say to each other. Both ends are ours: plain types, no checks. */
import type { MessagePort } from "node:worker_threads";
import type { ErrorCode } from "../../shared/protocol/errors.ts";
import type { DeclaredRanges } from "./declared-ranges.ts";
import type { TransferableTensor } from "./ort-tensor.ts";
import type { SessionSignature } from "./signature.ts";

export interface WorkerSettings {
  readonly file: string;
  /** Names of the files beside it that it may read weights from; left out: all that are there. */
  readonly dataFiles?: readonly string[];
  readonly provider: "cpu" | "cuda";
  readonly deviceId: number;
  /** Threads that one run may use. */
  readonly computeThreads: number;
  /** Of the values of its inputs; left out: all are taken. */
  readonly ranges?: DeclaredRanges | undefined;
}

/** What a worker thread is started with. */
export interface WorkerStart {
  readonly settings: WorkerSettings;
  /** Its end of the channel to the main thread: one that the main thread can look into at any time. */
  readonly port: MessagePort;
  /** Number of a run that is not to begin, in memory that both threads see. */
  readonly takenBack: Int32Array;
}

export type ToWorker =
  | {
      readonly kind: "run";
      readonly id: number;
      readonly inputs: TransferableTensor[];
      readonly outputs: readonly string[];
    }
  /** Release the session and leave, after what came before this message. */
  | { readonly kind: "close" };

export type FromWorker =
  | { readonly kind: "loaded"; readonly signature: SessionSignature }
  | { readonly kind: "load_failed"; readonly reason: string }
  | { readonly kind: "done"; readonly id: number; readonly outputs: TransferableTensor[]; readonly computeMs: number }
  | { readonly kind: "taken_back"; readonly id: number }
  | { readonly kind: "run_failed"; readonly id: number; readonly code: ErrorCode; readonly reason: string };
