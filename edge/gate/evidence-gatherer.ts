/** What an isolate has seen of rollouts and shadows, told to each route's controller (`objects/rollout-controller.ts`) once a second. */
import {
  addComparison,
  type ComparisonStatistics,
  newComparisonStatistics,
} from "../../shared/control/comparison/comparison-statistics.ts";
import type { AnswerComparison } from "../../shared/control/comparison/output-comparison.ts";
import { newEvidence, type RolloutEvidence } from "../../shared/control/rollout/rollout-evidence.ts";
import type { Bindings } from "../environment.ts";

const GATHER_MS = 1_000;
const MOST_ROUTES = 1_000;
/** Pairs of versions that are compared under one route. */
const MOST_PAIRS = 16;

/** What has not been told by then died with the request that was to tell it. */
const LOST_AFTER_MS = 10_000;

interface Gathered {
  readonly since: number;
  readonly evidence: Map<string, RolloutEvidence>;
  readonly comparisons: Map<string, ComparisonStatistics>;
}

export interface Teller {
  readonly bindings: Bindings;
  readonly keepAlive: (pending: Promise<unknown>) => void;
}

export class EvidenceGatherer {
  readonly #open = new Map<string, Gathered>();

  /** @param add puts what was seen into the rollout's evidence */
  evidence(route: string, rollout: string, teller: Teller, add: (evidence: RolloutEvidence) => void): void {
    const gathered = this.#of(route, teller);
    if (!gathered) return;
    let evidence = gathered.evidence.get(rollout);
    if (!evidence) {
      evidence = newEvidence();
      gathered.evidence.set(rollout, evidence);
    }
    add(evidence);
  }

  /** @param pair `<version>-<version compared with it>` */
  comparison(
    route: string,
    pair: string,
    teller: Teller,
    comparison: AnswerComparison,
    stableMs: number,
    candidateMs: number,
  ): void {
    const gathered = this.#of(route, teller);
    if (!gathered) return;
    let statistics = gathered.comparisons.get(pair);
    if (!statistics) {
      if (gathered.comparisons.size >= MOST_PAIRS) return;
      statistics = newComparisonStatistics();
      gathered.comparisons.set(pair, statistics);
    }
    addComparison(statistics, comparison, stableMs, candidateMs);
  }

  #of(route: string, { bindings, keepAlive }: Teller): Gathered | undefined {
    const now = Date.now();
    const open = this.#open.get(route);
    if (open && now - open.since < LOST_AFTER_MS) return open;
    if (!open && this.#open.size >= MOST_ROUTES) return undefined;
    const gathered: Gathered = { since: now, evidence: new Map(), comparisons: new Map() };
    this.#open.set(route, gathered);
    keepAlive(this.#tell(route, gathered, bindings));
    return gathered;
  }

  async #tell(route: string, gathered: Gathered, { ROLLOUT_CONTROLLER }: Bindings): Promise<void> {
    await scheduler.wait(GATHER_MS);
    if (this.#open.get(route) === gathered) this.#open.delete(route);
    const { evidence, comparisons } = gathered;
    const told = { evidence: [...evidence], comparisons: [...comparisons] };
    try {
      await ROLLOUT_CONTROLLER.getByName(route).record(told);
    } catch (error) {
      console.error(JSON.stringify({ level: "error", msg: "evidence was lost", route, cause: String(error) }));
    }
  }
}
