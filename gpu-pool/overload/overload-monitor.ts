/**
 * What the serving process asks before it takes work in: which stage it is in, and whether a class is admitted.
 *
 *     const overload = new OverloadMonitor({ log, random: Math.random });
 *     const readings = new ProcessReadings({ onSample: (sample) => overload.observe(sample), ... });
 *     if (!overload.admits(priority)) throw overload.refuse(priority);
 *
 * Promises: asking costs a look at a value; each change of the stage is one line of the log, with the readings that
 * caused it; every refusal is counted by class.
 */
import type { Logger } from "pino";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { PriorityClass } from "../../shared/protocol/priority.ts";
import {
  admits,
  CALM_SAMPLES,
  NO_OVERLOAD,
  next,
  type OverloadReadings,
  type OverloadStage,
  type OverloadState,
  scarcest,
  severity,
  severityOfOne,
  stagesUntilAdmitted,
} from "./overload-stage.ts";
import { SAMPLE_MS } from "./process-readings.ts";

export interface OverloadMonitorOptions {
  readonly log: Pick<Logger, "info" | "warn">;
  /** Uniform from 0 to below 1; spreads what was refused together. */
  readonly random: () => number;
  /** Called at each sample at which descriptors are short: connections that carry no request should go. */
  readonly onShortOfDescriptors?: () => void;
  /** Called at the first sample at which memory is short and, while it stays so, after 2, 4, 8 ... seconds. */
  readonly onShortOfMemory?: () => void;
  /**
   * Called once when memory has asked for `critical_only` or worse for `STUCK_MS`: what is held does not come back, and
   * only a new process will have it. Not called where memory was as short from the start, as it would be again.
   */
  readonly onStuck?: () => void;
}

/** What a refused request was: of a class, or refused at its headers, before its class was known. */
export type Refused = PriorityClass | "unread";

const FIRST_RECLAIM_SAMPLES = 2_000 / SAMPLE_MS;
/** Beyond the time that a body may take to arrive: what slow callers hold is let go by then. */
const STUCK_MS = 60_000;

export class OverloadMonitor {
  readonly #options: OverloadMonitorOptions;
  #state: OverloadState = NO_OVERLOAD;
  #readings: OverloadReadings = { eventLoopMs: 0, memoryShare: 0, descriptorShare: 0 };
  /** Samples in a row at which memory was short, and how many there are when it is next asked back. */
  #shortSamples = 0;
  #reclaimAt = 0;
  /** Samples in a row at which memory asked for `critical_only` or worse; undefined until it was ever less short. */
  #stuckSamples: number | undefined;
  readonly #refused: Record<Refused, number> = { critical: 0, default: 0, sheddable: 0, batch: 0, unread: 0 };

  constructor(options: OverloadMonitorOptions) {
    this.#options = options;
  }

  /** Takes in one sample. */
  observe(readings: OverloadReadings): void {
    const before = this.#state.stage;
    this.#state = next(this.#state, readings);
    this.#readings = readings;
    const { stage } = this.#state;
    if (stage !== before) this.#logChange(before, stage);
    if (isShort("descriptorShare", readings)) this.#options.onShortOfDescriptors?.();
    this.#watchMemory(readings);
  }

  get stage(): OverloadStage {
    return this.#state.stage;
  }

  /** 0 (normal) to 5 (refusing). */
  get severity(): number {
    return severity(this.stage);
  }

  /** The latest sample. */
  get readings(): OverloadReadings {
    return this.#readings;
  }

  /** Requests refused so far. */
  get refused(): Readonly<Record<Refused, number>> {
    return this.#refused;
  }

  /** Whether work that only makes an answer nicer is left out. */
  get lean(): boolean {
    return this.severity >= severity("lean");
  }

  /** Whether a reply should end its connection. */
  get closesConnections(): boolean {
    return this.severity >= severity("closing");
  }

  /** Whether inference is refused before its body is read, whatever its class. */
  get refusesAll(): boolean {
    return this.stage === "refusing";
  }

  admits(priority: PriorityClass): boolean {
    return admits(this.stage, priority);
  }

  /**
   * Counts a request that is not admitted and makes its refusal: `overloaded`, with the time until its class can be
   * admitted at the earliest, and up to as much again so that not everybody returns at once.
   */
  refuse(refused: Refused): WarmgateError {
    this.#refused[refused]++;
    // Most of what is not read is of the class that says nothing.
    const stages = stagesUntilAdmitted(this.stage, refused === "unread" ? "default" : refused);
    const earliestMs = Math.max(1, stages) * CALM_SAMPLES * SAMPLE_MS;
    const retryAfterSeconds = Math.ceil((earliestMs * (1 + this.#options.random())) / 1000);
    return new WarmgateError("overloaded", "this process is short of resources and sheds load", { retryAfterSeconds });
  }

  #watchMemory(readings: OverloadReadings): void {
    if (isShort("memoryShare", readings)) {
      if (this.#shortSamples >= this.#reclaimAt) {
        this.#options.onShortOfMemory?.();
        // What could be had back once will soon not be there again; collecting costs time.
        this.#reclaimAt = Math.max(FIRST_RECLAIM_SAMPLES, 2 * this.#reclaimAt);
      }
      this.#shortSamples++;
    } else this.#shortSamples = this.#reclaimAt = 0;
    if (severityOfOne("memoryShare", readings) < severity("critical_only")) this.#stuckSamples = 0;
    else if (this.#stuckSamples !== undefined && ++this.#stuckSamples === STUCK_MS / SAMPLE_MS) {
      this.#options.onStuck?.();
    }
  }

  #logChange(from: OverloadStage, to: OverloadStage): void {
    const { log } = this.#options;
    const fields = { from, to, resource: scarcest(this.#readings), ...this.#readings };
    if (severity(to) > severity(from)) log.warn(fields, "overload stage raised");
    else log.info(fields, "overload stage lowered");
  }
}

function isShort(resource: keyof OverloadReadings, readings: OverloadReadings): boolean {
  return severityOfOne(resource, readings) >= severity("closing");
}
