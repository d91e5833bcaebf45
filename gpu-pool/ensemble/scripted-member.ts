import type { InferenceRequest, Tensor } from "../../shared/protocol/tensor.ts";
import type { Prediction } from "../runtime/batch-executor.ts";
import type { Demand, RowsTicket } from "../runtime/served-model.ts";
import { type Answer, callerGone } from "../scheduler/entry.ts";
import { InferenceStatistics } from "../telemetry/inference-statistics.ts";
import type { EnsembleMember } from "./served-ensemble.ts";

/** What a scripted member has been asked. */
export interface Asked {
  readonly inputs: readonly Tensor[];
  /** Names of the outputs that are wanted. */
  readonly outputs: readonly string[];
  readonly demand: Demand;
  cancelled: boolean;
  answer(outputs: readonly Tensor[], times?: Partial<Omit<Answer<Prediction>, "result">>): void;
  fail(error: Error): void;
}

/** A member for tests of what is asked of members, and when; it answers when it is told to. */
export class ScriptedMember implements EnsembleMember {
  readonly identity;
  readonly statistics = new InferenceStatistics();
  readonly maxBatch = 8;
  readonly asked: Asked[] = [];
  /** How often it is held now. */
  held = 0;
  leaving = false;
  runMs = 0;
  /** Thrown by the next requests, as a scheduler refuses. */
  refusal: Error | undefined;

  constructor(name: string) {
    this.identity = { name, version: "1", digest: name, provider: "cpu", description: "", deterministic: true };
  }

  accept(request: InferenceRequest, demand: Demand): RowsTicket {
    if (this.refusal) throw this.refusal;
    const { promise, resolve, reject } = Promise.withResolvers<Answer<Prediction>>();
    const asked: Asked = {
      inputs: request.inputs,
      outputs: request.outputs?.map(({ name }) => name) ?? [],
      demand,
      cancelled: false,
      answer: (outputs, times = {}) =>
        resolve({ result: { outputs, computeMs: 1 }, queuedMs: 2, batchRows: 3, deviceMs: 4, ...times }),
      fail: reject,
    };
    this.asked.push(asked);
    const cancel = () => {
      asked.cancelled = true;
      reject(callerGone());
    };
    return { result: promise, cancel, rows: request.inputs[0]?.shape[0] ?? 0 };
  }

  hold(): (() => void) | undefined {
    if (this.leaving) return undefined;
    this.held++;
    return () => this.held--;
  }

  leastMs(): number {
    return this.runMs;
  }
}
