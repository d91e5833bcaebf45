/**
 * Models that are run one after and beside another at one request, in the process that has them: what one makes is the next
 * one's input, without a network between.
 *
 * Promises: all steps of a request run on the versions that the ensemble was planned with, which its digest names; once one
 * of these is leaving, requests are refused until the ensemble is planned anew; members stay until the requests that have
 * begun are over.
 */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { checkInputs, selectOutputs } from "../../shared/protocol/signature.ts";
import type { InferenceRequest, ModelSignature, Tensor } from "../../shared/protocol/tensor.ts";
import type { Preparing } from "../pipeline/pipeline.ts";
import {
  batchRows,
  type Demand,
  type ModelIdentity,
  type RowsTicket,
  type ServedModel,
} from "../runtime/served-model.ts";
import { InferenceStatistics } from "../telemetry/inference-statistics.ts";
import type { ModelMetrics } from "../telemetry/model-metrics.ts";
import { EnsembleRun, type RunnableStep } from "./ensemble-run.ts";
import type { PlannedEnsemble, PlannedStep } from "./plan-ensemble.ts";

export type EnsembleMember = Pick<ServedModel, "identity" | "accept" | "statistics" | "hold" | "leastMs" | "maxBatch">;

/** A step, and the model that it was planned with. */
export interface BoundStep extends PlannedStep {
  readonly member: EnsembleMember;
}

/** A version that answers requests. */
export type Served = ServedModel | ServedEnsemble;

export class ServedEnsemble {
  readonly kind = "ensemble";
  readonly identity: ModelIdentity;
  readonly signature: ModelSignature;
  readonly maxBatch: number;
  readonly statistics = new InferenceStatistics();
  readonly metrics: ModelMetrics;
  /** Each behind those whose tensors it reads. */
  readonly steps: readonly BoundStep[];
  readonly #members: readonly EnsembleMember[];

  /** @param members of the plan's steps, in their order */
  constructor(
    identity: ModelIdentity,
    plan: Omit<PlannedEnsemble, "steps"> & { readonly steps: readonly BoundStep[] },
    metrics: ModelMetrics,
  ) {
    this.identity = identity;
    this.signature = plan.signature;
    this.maxBatch = plan.maxBatch;
    this.metrics = metrics;
    this.steps = plan.steps;
    this.#members = [...new Set(plan.steps.map(({ member }) => member))];
  }

  /**
   * Checks a request and submits its first steps. What its steps are refused for, its result is.
   *
   * @throws WarmgateError `input_mismatch`, `unknown_output`, `batch_too_large`, `model_not_ready`
   */
  accept(request: InferenceRequest, demand: Demand, preparing: Pick<Preparing, "clock" | "caller">): RowsTicket {
    checkInputs(this.signature, request.inputs);
    const wanted = selectOutputs(this.signature, request.outputs);
    const rows = this.#rowsOf(request.inputs, demand.maxRows);
    const letGo = this.#holdMembers();
    const steps = withTimeBehind(stepsFor(this.steps, wanted), rows);
    const run = new EnsembleRun(request.inputs, { steps, wanted, demand, preparing, onOver: letGo });
    run.result.then(
      ({ result }) => this.statistics.ran(rows, result.computeMs),
      () => undefined,
    );
    return run;
  }

  /** Nothing of its own is to be released; its members wait for the requests that have begun. */
  async close(): Promise<void> {}

  #rowsOf(inputs: readonly Tensor[], maxRows: number): number {
    if (this.maxBatch === 0) return 1;
    const rows = batchRows(inputs);
    const refuse = (why: string) => new WarmgateError("batch_too_large", `the batch has ${rows} rows${why}`);
    if (maxRows > 0 && rows > maxRows) throw refuse(`, this tenant may send ${maxRows} at once`);
    if (rows > this.maxBatch) throw refuse(`; the largest this ensemble takes is ${this.maxBatch}`);
    return rows;
  }

  #holdMembers(): () => void {
    const held: (() => void)[] = [];
    const letGo = () => {
      for (const release of held) release();
    };
    for (const member of this.#members) {
      const release = member.hold();
      if (!release) {
        letGo();
        const { name, version } = member.identity;
        const reason = `${name}/${version}, a step of '${this.identity.name}', is being replaced or unloaded`;
        throw new WarmgateError("model_not_ready", reason, { retryAfterSeconds: 1 });
      }
      held.push(release);
    }
    return letGo;
  }
}

/** The steps that some outputs take: what nobody asked for is not computed. */
function stepsFor(steps: readonly BoundStep[], wanted: readonly string[]): readonly BoundStep[] {
  const needed = new Set(wanted);
  return steps
    .toReversed()
    .filter(({ inputs, outputs }) => {
      const isNeeded = outputs.some(([, tensor]) => needed.has(tensor));
      for (const [, tensor] of isNeeded ? inputs : []) needed.add(tensor);
      return isNeeded;
    })
    .toReversed();
}

/**
 * Each step with the least time that the longest way from it to the end takes. So the first step is refused at once where
 * all of them together could not be in time, and none starts whose answer would come too late for the next.
 */
function withTimeBehind(steps: readonly BoundStep[], rows: number): readonly RunnableStep[] {
  const behind = new Map<string, number>();
  return steps
    .toReversed()
    .map((step) => {
      const afterMs = Math.max(0, ...step.outputs.map(([, tensor]) => behind.get(tensor) ?? 0));
      const { maxBatch } = step.member;
      const fromMs = afterMs + step.member.leastMs(maxBatch > 0 ? Math.min(rows, maxBatch) : 1);
      for (const [, tensor] of step.inputs) behind.set(tensor, Math.max(behind.get(tensor) ?? 0, fromMs));
      return { ...step, afterMs };
    })
    .toReversed();
}
