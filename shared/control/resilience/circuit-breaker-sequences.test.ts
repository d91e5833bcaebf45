import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { allow, type BreakerState, type CallOutcome, CLOSED_BREAKER, ended, retryAfterMs } from "./circuit-breaker.ts";

const SECOND = 1_000;

/** What the breaker promises, by lists of everything that happened: nothing is forgotten, all is counted anew. */
class Model {
  now = 100_000;
  mode: "closed" | "open" | "half_open" = "closed";
  /** When the mode began. */
  since = 0;
  /** Of this mode. */
  ends: { readonly at: number; readonly outcome: CallOutcome }[] = [];
  probes: number[] = [];
  /** Of each opening in a row. */
  openings = 0;
  until = 0;

  get successes(): number {
    return this.ends.filter(({ outcome }) => outcome === "ok").length;
  }

  get probesUnderWay(): number {
    return this.probes.filter((begunAt) => this.now - begunAt < 10 * SECOND).length;
  }

  get allows(): boolean {
    if (this.mode === "open") return this.now >= this.until;
    return this.mode === "closed" || this.probesUnderWay < ([1, 2, 4][this.successes] ?? 0);
  }

  allow(): void {
    if (this.mode === "open") this.#begin("half_open");
    if (this.mode === "half_open") this.probes.push(this.now);
  }

  end(outcome: CallOutcome, begunAt: number, random: number): void {
    if (this.mode === "open" || begunAt < this.since) return;
    this.ends.push({ at: this.now, outcome });
    if (this.mode === "half_open") {
      if (this.probes.includes(begunAt)) this.probes.splice(this.probes.indexOf(begunAt), 1);
      if (outcome === "failed") this.#open(random);
      else if (this.successes === 3) this.#begin("closed");
    } else if (outcome === "failed" && this.#isIll()) {
      if (this.now - this.since >= 60 * SECOND) this.openings = 0;
      this.#open(random);
    }
  }

  #isIll(): boolean {
    const told = this.ends.filter(({ outcome }) => outcome !== "ignored");
    if (told.length >= 5 && told.slice(-5).every(({ outcome }) => outcome === "failed")) return true;
    const second = (at: number) => Math.floor(at / SECOND);
    const recent = told.filter(({ at }) => second(at) > second(this.now) - 10);
    return recent.length >= 10 && recent.filter(({ outcome }) => outcome === "failed").length * 2 >= recent.length;
  }

  #open(random: number): void {
    this.#begin("open");
    const openMs = Math.min(30, 2 ** this.openings++) * SECOND;
    this.until = this.now + Math.round(openMs * (0.8 + 0.4 * random));
  }

  #begin(mode: Model["mode"]): void {
    this.mode = mode;
    this.since = this.now;
    this.ends = [];
    this.probes = [];
  }
}

interface Real {
  state: BreakerState;
  /** Calls under way, by when they began. */
  readonly calls: number[];
}
type Command = fc.Command<Model, Real>;

/** How often each thing was seen, so that a run that never met it would fail. */
const seen = { refused: 0, opened: 0, closedAgain: 0, late: 0, busy: 0 };

function compare(model: Model, { state }: Real): void {
  assert.equal(state.kind, model.mode);
  assert.equal(retryAfterMs(state, model.now) === 0, model.allows);
  if (state.kind === "open") assert.equal(state.until, model.until);
  if (state.kind === "half_open") assert.ok(state.probes.length <= 4);
}

const call: Command = {
  check: () => true,
  run(model, real) {
    const { allowed, state } = allow(real.state, model.now);
    assert.equal(allowed, model.allows);
    real.state = state;
    if (allowed) {
      model.allow();
      real.calls.push(model.now);
    } else if (model.mode === "open") seen.refused++;
    else seen.busy++;
    compare(model, real);
  },
  toString: () => "call",
};
const end = (outcome: CallOutcome, place: number, random: number): Command => ({
  check: () => true,
  run(model, real) {
    const [begunAt] = real.calls.splice(place % Math.max(1, real.calls.length), 1);
    if (begunAt === undefined) return;
    const before = model.mode;
    if (before !== "closed" && begunAt < model.since) seen.late++;
    model.end(outcome, begunAt, random);
    real.state = ended(real.state, outcome, begunAt, model.now, random);
    if (model.mode === "open" && before !== "open") seen.opened++;
    if (model.mode === "closed" && before !== "closed") seen.closedAgain++;
    compare(model, real);
  },
  toString: () => `end(${outcome}, ${place}, ${random})`,
});
/** Its request died: nobody will tell its end. */
const lose = (place: number): Command => ({
  check: () => true,
  run: (_, real) => void real.calls.splice(place % Math.max(1, real.calls.length), 1),
  toString: () => `lose(${place})`,
});
const pass = (ms: number): Command => ({
  check: () => true,
  run(model, real) {
    model.now += ms;
    compare(model, real);
  },
  toString: () => `pass(${ms})`,
});
/** Runs of the same, which single ends would seldom be. */
const manyCalls = (outcome: CallOutcome, times: number): Command => ({
  check: () => true,
  run(model, real) {
    for (let time = 0; time < times; time++) {
      call.run(model, real);
      end(outcome, real.calls.length - 1, 0.5).run(model, real);
    }
  },
  toString: () => `manyCalls(${outcome}, ${times})`,
});

const place = fc.nat(6);
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const outcome = fc.constantFrom<CallOutcome>("ok", "ok", "failed", "failed", "ignored");
const commands = fc.commands(
  [
    fc.constant(call),
    fc.constant(call),
    fc.tuple(outcome, place, random).map((drawn) => end(...drawn)),
    fc.tuple(outcome, place, random).map((drawn) => end(...drawn)),
    fc.tuple(outcome, fc.integer({ min: 1, max: 6 })).map((drawn) => manyCalls(...drawn)),
    place.map(lose),
    fc.integer({ min: 0, max: 1_500 }).map(pass),
    fc.integer({ min: 0, max: 90 * SECOND }).map(pass),
  ],
  { maxCommands: 60, size: "max" },
);

test("the circuit breaker does what its promises say, in any order of calls, ends and pauses", () => {
  fc.assert(
    fc.property(commands, (commands) =>
      fc.modelRun(() => ({ model: new Model(), real: { state: CLOSED_BREAKER, calls: [] } }), commands),
    ),
    { numRuns: 10_000 },
  );
  for (const [what, times] of Object.entries(seen)) assert.ok(times > 1_000, `${what}: only ${times} times`);
});
