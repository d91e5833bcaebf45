/**
 * The only owner of one route's rollout, and of what shadows have shown. Isolates tell it what they saw; every `TICK_MS` its alarm lets
 * the pure controller decide (`shared/control/rollout/rollout-controller.ts` has the promises), and moves the route's weights.
 *
 * Promises: a decision is stored before it is acted upon, and acted upon until the control plane has taken it, so that neither an
 * eviction nor an outage leaves a candidate that was aborted with traffic; evidence that is lost with an eviction only makes the
 * rollout wait. Each move is in the audit log with its figures; each decision at all, the last `MOST_DECISIONS`, can be read here.
 */
import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import {
  addStatistics,
  type ComparisonStatistics,
  comparisonStatisticsSchema,
} from "../../shared/control/comparison/comparison-statistics.ts";
import {
  abortedBy,
  candidatePercentage,
  next,
  promotedBy,
  started,
} from "../../shared/control/rollout/rollout-controller.ts";
import { addEvidence, newEvidence, rolloutEvidenceSchema } from "../../shared/control/rollout/rollout-evidence.ts";
import { figuresOf } from "../../shared/control/rollout/rollout-figures.ts";
import { planProblems, type RolloutPlan, rolloutPlanSchema } from "../../shared/control/rollout/rollout-plan.ts";
import { type Figures, type RolloutState, rolloutStateSchema } from "../../shared/control/rollout/rollout-state.ts";
import type { Bindings } from "../environment.ts";
import type { Actor } from "./control/audit.ts";
import type { ControlRefusal, Outcome } from "./control/outcome.ts";
import { migrate } from "./control/schema.ts";
import { CONTROL_PLANE_NAME } from "./control-plane.ts";

const TICK_MS = 2_000;
const MOST_DECISIONS = 2_000;
const MOST_PAIRS = 64;

const MIGRATIONS = [
  `CREATE TABLE rollout (one INTEGER PRIMARY KEY CHECK (one = 1), record TEXT NOT NULL);
   CREATE TABLE decisions (id INTEGER PRIMARY KEY AUTOINCREMENT, record TEXT NOT NULL);
   CREATE TABLE comparisons (pair TEXT PRIMARY KEY, at INTEGER NOT NULL, record TEXT NOT NULL);`,
];

const figuresSchema = z.record(z.string(), z.number());

const rolloutSchema = z.strictObject({
  id: z.uuid(),
  route: z.string(),
  contract: z.int(),
  stable: z.string(),
  candidate: z.string(),
  plan: rolloutPlanSchema,
  state: rolloutStateSchema,
  startedAt: z.int(),
  /** What its last decision to move rested on. */
  decidedBy: figuresSchema,
  /** What of its state the control plane has taken: the candidate's percentage, and whether the rollout has let go of the route. */
  applied: z.strictObject({ percentage: z.number(), released: z.boolean() }),
});
type Rollout = z.infer<typeof rolloutSchema>;

const decisionSchema = z.object({
  at: z.int(),
  rollout: z.string(),
  kind: z.enum(["start", "hold", "advance", "promote", "abort"]),
  /** Why it holds, which guard aborted it, or who did it. */
  reason: z.string(),
  percentage: z.number(),
  figures: figuresSchema,
});
export type RolloutDecision = z.infer<typeof decisionSchema>;

const toldSchema = z.object({
  /** By the rollout's id. */
  evidence: z.array(z.tuple([z.uuid(), rolloutEvidenceSchema])).max(64),
  /** By `<version>-<version compared with it>`. */
  comparisons: z.array(z.tuple([z.string().regex(/^\d{1,9}-\d{1,9}$/), comparisonStatisticsSchema])).max(64),
});
export type Told = z.infer<typeof toldSchema>;

export interface RolloutAsk {
  readonly contract: number;
  readonly stable: string;
  readonly candidate: string;
  readonly plan: RolloutPlan;
}

export interface RolloutView extends Omit<Rollout, "state" | "applied" | "decidedBy"> {
  readonly state: RolloutState["kind"];
  readonly percentage: number;
  readonly figures: Figures;
  /** The newest first. */
  readonly decisions: readonly RolloutDecision[];
}

export class RolloutController extends DurableObject<Bindings> {
  readonly #sql: SqlStorage;
  #rollout: Rollout | undefined;
  #gathered = newEvidence();

  constructor(state: DurableObjectState, bindings: Bindings) {
    super(state, bindings);
    this.#sql = state.storage.sql;
    state.storage.transactionSync(() => migrate(this.#sql, MIGRATIONS));
    const [row] = this.#sql.exec("SELECT record FROM rollout");
    if (row) this.#rollout = rolloutSchema.parse(JSON.parse(z.string().parse(row.record)));
  }

  /** @param ask checked against the route and the pool (`routes/admin/rollouts.ts`) */
  async start(actor: Actor, route: string, ask: RolloutAsk): Promise<Outcome<RolloutView>> {
    const problems = planProblems(ask.plan);
    if (problems.length > 0) return { refused: "invalid_configuration", problems };
    if (this.#rollout && !this.#rollout.applied.released)
      return refusal("conflict", "a rollout of this route is running");
    const now = Date.now();
    const state = started(now);
    const rollout: Rollout = {
      ...{ id: crypto.randomUUID(), route, ...ask, state, startedAt: now, decidedBy: figuresOf(ask.plan, state, now) },
      applied: { percentage: candidatePercentage(ask.plan, state), released: false },
    };
    const outcome = await this.#move(actor, rollout, null, "rollout.start");
    if ("refused" in outcome) return outcome;
    this.#gathered = newEvidence();
    this.#keep(rollout);
    this.#decided(rollout, "start", actor.id, now, rollout.decidedBy);
    await this.ctx.storage.setAlarm(now + TICK_MS);
    return { value: this.#view(rollout, 20), version: outcome.version };
  }

  /** @param decisions how many of the last ones */
  status(decisions: number): RolloutView | null {
    return this.#rollout ? this.#view(this.#rollout, decisions) : null;
  }

  abort(actor: Actor): Promise<Outcome<RolloutView>> {
    return this.#end(actor, "abort");
  }

  promote(actor: Actor): Promise<Outcome<RolloutView>> {
    return this.#end(actor, "promote");
  }

  record(given: Told): void {
    const { evidence, comparisons } = toldSchema.parse(given);
    for (const [id, one] of evidence) if (id === this.#rollout?.id) addEvidence(this.#gathered, one);
    const now = Date.now();
    for (const [pair, statistics] of comparisons) {
      const [row] = this.#sql.exec("SELECT record FROM comparisons WHERE pair = ?", pair);
      const sum = row ? comparisonStatisticsSchema.parse(JSON.parse(z.string().parse(row.record))) : undefined;
      if (sum) addStatistics(sum, statistics);
      this.#sql.exec(
        "INSERT OR REPLACE INTO comparisons (pair, at, record) VALUES (?, ?, ?)",
        ...[pair, now, JSON.stringify(sum ?? statistics)],
      );
    }
    if (comparisons.length > 0) {
      this.#sql.exec(
        "DELETE FROM comparisons WHERE pair NOT IN (SELECT pair FROM comparisons ORDER BY at DESC LIMIT ?)",
        MOST_PAIRS,
      );
    }
  }

  /** What shadows have shown, by the pair of versions. */
  comparisons(): Record<string, ComparisonStatistics> {
    const rows = [...this.#sql.exec("SELECT pair, record FROM comparisons ORDER BY at DESC")];
    return Object.fromEntries(
      rows.map(({ pair, record }) => [
        z.string().parse(pair),
        comparisonStatisticsSchema.parse(JSON.parse(z.string().parse(record))),
      ]),
    );
  }

  override async alarm(): Promise<void> {
    const rollout = this.#rollout;
    if (!rollout || rollout.applied.released) return;
    const now = Date.now();
    if (rollout.state.kind === "running") {
      const evidence = this.#gathered;
      this.#gathered = newEvidence();
      const { state, decision } = next(rollout.plan, rollout.state, evidence, now);
      const decidedBy = decision.kind === "hold" ? rollout.decidedBy : decision.figures;
      const after = { ...rollout, state, decidedBy };
      this.#keep(after);
      const reason = decision.kind === "hold" ? decision.reason : decision.kind === "abort" ? decision.guard : "plan";
      this.#decided(after, decision.kind, reason, now, decision.figures);
    }
    try {
      await this.#apply(CONTROLLER);
    } catch (error) {
      console.error(JSON.stringify({ level: "error", msg: "a rollout cannot move its route", cause: String(error) }));
    }
    if (this.#rollout?.applied.released === false) await this.ctx.storage.setAlarm(Date.now() + TICK_MS);
  }

  async #end(actor: Actor, how: "abort" | "promote"): Promise<Outcome<RolloutView>> {
    const rollout = this.#rollout;
    if (rollout?.state.kind !== "running") return refusal("conflict", "no rollout of this route is running");
    const now = Date.now();
    const end = how === "abort" ? abortedBy : promotedBy;
    const state = end(rollout.plan, rollout.state, actor.id, now);
    const after = { ...rollout, state, decidedBy: state.figures };
    this.#keep(after);
    this.#decided(after, how, actor.id, now, state.figures);
    const outcome = await this.#apply(actor);
    if (outcome && "refused" in outcome) return outcome;
    return { value: this.#view(this.#rollout ?? after, 20), version: outcome?.version ?? 0 };
  }

  /** Brings the route to where the state says that it should be, if it is not. */
  async #apply(actor: Actor): Promise<Outcome<unknown> | undefined> {
    const rollout = this.#rollout;
    if (!rollout) return undefined;
    const released = rollout.state.kind !== "running";
    const percentage = candidatePercentage(rollout.plan, rollout.state);
    const { applied } = rollout;
    if (applied.percentage === percentage && applied.released === released) return undefined;
    const outcome = await this.#move(actor, rollout, rollout.id, ACTIONS[rollout.state.kind]);
    if ("refused" in outcome) {
      const { problems } = outcome;
      console.error(
        JSON.stringify({ level: "error", msg: "a rollout's move was refused", route: rollout.route, problems }),
      );
      return outcome;
    }
    // Meanwhile it may have been ended.
    const latest = this.#rollout ?? rollout;
    if (latest.id === rollout.id) this.#keep({ ...latest, applied: { percentage, released } });
    return outcome;
  }

  async #move(actor: Actor, rollout: Rollout, holder: string | null, action: string): Promise<Outcome<unknown>> {
    const { id, route, contract, stable, candidate, plan, state, decidedBy } = rollout;
    const percentage = candidatePercentage(plan, state);
    const { shadowShare } = plan;
    return this.env.CONTROL_PLANE.getByName(CONTROL_PLANE_NAME).moveRoute(actor, route, holder, {
      ...{ action, contract, figures: decidedBy },
      rollout: state.kind === "running" ? { id, contract, stable, candidate, shadowShare } : null,
      weights: [
        { version: stable, weight: 100 - percentage },
        { version: candidate, weight: percentage },
      ],
    });
  }

  #keep(rollout: Rollout): void {
    this.#rollout = rollout;
    this.#sql.exec("INSERT OR REPLACE INTO rollout (one, record) VALUES (1, ?)", JSON.stringify(rollout));
  }

  #decided(rollout: Rollout, kind: RolloutDecision["kind"], reason: string, at: number, figures: Figures): void {
    const decision: RolloutDecision = {
      ...{ at, rollout: rollout.id, kind, reason, percentage: candidatePercentage(rollout.plan, rollout.state) },
      figures,
    };
    this.#sql.exec("INSERT INTO decisions (record) VALUES (?)", JSON.stringify(decision));
    this.#sql.exec("DELETE FROM decisions WHERE id <= (SELECT MAX(id) FROM decisions) - ?", MOST_DECISIONS);
  }

  #view({ state, applied: _, decidedBy: __, ...rollout }: Rollout, decisions: number): RolloutView {
    const rows = this.#sql.exec("SELECT record FROM decisions ORDER BY id DESC LIMIT ?", decisions);
    return {
      ...rollout,
      state: state.kind,
      percentage: candidatePercentage(rollout.plan, state),
      figures: figuresIn({ plan: rollout.plan, state }, Date.now()),
      decisions: [...rows].map(({ record }) => decisionSchema.parse(JSON.parse(z.string().parse(record)))),
    };
  }
}

const CONTROLLER: Actor = { id: "rollout-controller", tenant: "", requestId: "-" };
const ACTIONS: Record<RolloutState["kind"], string> = {
  running: "rollout.advance",
  promoted: "rollout.promote",
  aborted: "rollout.abort",
};

function figuresIn({ plan, state }: Pick<Rollout, "plan" | "state">, now: number): Figures {
  return state.kind === "running" ? figuresOf(plan, state, now) : state.figures;
}

function refusal(refused: ControlRefusal["refused"], problem: string): ControlRefusal {
  return { refused, problems: [problem] };
}
