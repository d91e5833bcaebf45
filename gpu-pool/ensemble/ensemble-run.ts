/**
 * One request on its way through an ensemble: each step is submitted to its member as soon as what it reads is there, so
 * that steps which do not wait for each other run at the same time, and in one batch with what others ask of that member.
 *
 * Promises: the first step that fails fails the request with its code, and what still waits is taken back; a request that
 * is cancelled submits nothing more; a tensor is let go of with the last step that reads it.
 */
import { quoted } from "../../shared/protocol/envelope.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import type { Preparing } from "../pipeline/pipeline.ts";
import type { Prediction } from "../runtime/batch-executor.ts";
import type { Demand, RowsTicket, ServedModel } from "../runtime/served-model.ts";
import { type Answer, callerGone } from "../scheduler/entry.ts";
import type { PlannedStep } from "./plan-ensemble.ts";

export interface RunnableStep extends PlannedStep {
  readonly member: Pick<ServedModel, "accept" | "statistics">;
  /** Time that must be left when it is over, in milliseconds: the least that the steps behind it take. */
  readonly afterMs: number;
}

export interface RunOptions {
  /** Steps of which the wanted outputs come. */
  readonly steps: readonly RunnableStep[];
  readonly wanted: readonly string[];
  readonly demand: Demand;
  readonly preparing: Pick<Preparing, "clock" | "caller">;
  /** Called once, when nothing will be submitted any more. */
  readonly onOver: () => void;
}

export class EnsembleRun implements RowsTicket {
  readonly result: Promise<Answer<Prediction>>;
  /** Of all steps together. */
  rows = 0;
  readonly #options: RunOptions;
  readonly #caller: Preparing["caller"];
  readonly #resolve: (answer: Answer<Prediction>) => void;
  readonly #reject: (error: Error) => void;
  readonly #tensors = new Map<string, Tensor>();
  readonly #waiting: Set<RunnableStep>;
  readonly #tickets = new Set<RowsTicket>();
  /** Steps that have begun and are not over. */
  #running = 0;
  readonly #times = { queuedMs: 0, computeMs: 0, deviceMs: 0, batchRows: 0 };
  #over = false;

  /** Submits at once what needs nothing but the inputs. */
  constructor(inputs: readonly Tensor[], options: RunOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<Answer<Prediction>>();
    this.result = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#options = options;
    this.#waiting = new Set(options.steps);
    const isGone = () => this.#over || options.preparing.caller.gone;
    this.#caller = {
      get gone() {
        return isGone();
      },
    };
    for (const tensor of inputs) this.#tensors.set(tensor.name, tensor);
    this.#submitReady();
  }

  /** Bound to its run: it is handed to who notices that the caller has gone. */
  readonly cancel = (): void => this.#fail(callerGone());

  #submitReady(): void {
    const ready = [...this.#waiting].filter(({ inputs }) => inputs.every(([, tensor]) => this.#tensors.has(tensor)));
    for (const step of ready) this.#waiting.delete(step);
    const submissions = ready.map((step) => ({ step, inputs: this.#inputsOf(step) }));
    this.#letGoOfTensors();
    // Before the first begins: it may be over at once.
    this.#running += submissions.length;
    for (const { step, inputs } of submissions) {
      if (this.#over) return;
      void this.#run(step, inputs);
    }
  }

  #inputsOf({ inputs }: RunnableStep): readonly Tensor[] {
    return inputs.flatMap(([own, tensor]) => {
      const made = this.#tensors.get(tensor);
      return made ? [{ ...made, name: own }] : [];
    });
  }

  #letGoOfTensors(): void {
    const needed = new Set(this.#options.wanted);
    for (const { inputs } of this.#waiting) for (const [, tensor] of inputs) needed.add(tensor);
    for (const name of this.#tensors.keys()) if (!needed.has(name)) this.#tensors.delete(name);
  }

  /** Never rejects: a step's failure is the run's. */
  async #run(step: RunnableStep, inputs: readonly Tensor[]): Promise<void> {
    const { demand, preparing } = this.#options;
    const { clock } = preparing;
    const { statistics } = step.member;
    const startedAt = clock.now();
    try {
      const outputs = this.#outputsOf(step).map(([own]) => ({ name: own, binary: true }));
      const ticket = await step.member.accept(
        { parameters: {}, inputs, outputs, binaryOutput: true },
        { ...demand, deadline: demand.deadline - step.afterMs },
        { clock, caller: this.#caller },
      );
      this.rows += ticket.rows;
      this.#tickets.add(ticket);
      // While it was prepared, another step may have failed.
      if (this.#over) ticket.cancel();
      const answer = await ticket.result;
      this.#tickets.delete(ticket);
      statistics.answered(clock.now() - startedAt, answer.queuedMs, answer.result.computeMs, Date.now());
      this.#made(step, answer);
    } catch (error) {
      statistics.refused(clock.now() - startedAt);
      this.#fail(failureOf(step, error));
    }
  }

  /** Those that an output or a step to come is made of: what nobody reads is not asked for. */
  #outputsOf({ outputs }: RunnableStep): RunnableStep["outputs"] {
    const { steps, wanted } = this.#options;
    return outputs.filter(
      ([, tensor]) => wanted.includes(tensor) || steps.some(({ inputs }) => inputs.some(([, read]) => read === tensor)),
    );
  }

  #made(step: RunnableStep, { result, queuedMs, batchRows, deviceMs }: Answer<Prediction>): void {
    if (this.#over) return;
    const times = this.#times;
    times.queuedMs += queuedMs;
    times.computeMs += result.computeMs;
    times.deviceMs += deviceMs;
    times.batchRows = Math.max(times.batchRows, batchRows);
    for (const [own, tensor] of this.#outputsOf(step)) {
      const made = result.outputs.find(({ name }) => name === own);
      if (!made) throw new WarmgateError("internal", `it did not make ${quoted(own)}`);
      this.#tensors.set(tensor, { ...made, name: tensor });
    }
    this.#running--;
    this.#submitReady();
    if (this.#running > 0 || this.#over) return;
    const outputs = this.#options.wanted.flatMap((name) => this.#tensors.get(name) ?? []);
    const { computeMs, ...others } = times;
    this.#end();
    this.#resolve({ result: { outputs, computeMs }, ...others });
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#end();
    for (const ticket of this.#tickets) ticket.cancel();
    this.#tickets.clear();
    this.#reject(error);
  }

  #end(): void {
    this.#over = true;
    this.#waiting.clear();
    this.#tensors.clear();
    this.#options.onOver();
  }
}

/** The same refusal, by whose it is. What is no refusal keeps its text out of the reply. */
function failureOf({ model, version }: PlannedStep, error: unknown): Error {
  if (!(error instanceof WarmgateError)) return error instanceof Error ? error : new Error(String(error));
  const { code, message, retryAfterSeconds, cause } = error;
  return new WarmgateError(code, `step ${model}/${version}: ${message}`, {
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(cause === undefined ? {} : { cause }),
  });
}
