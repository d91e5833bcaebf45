/**
 * What is done when a device fails, step by step, the cheapest remedy first.
 *
 * Out of memory (per model):
 *
 *     a batch of n rows failed   batches of n / 2 rows at most, which grow back: doubled after each quiet time
 *     one row failed             that row alone fails; a second one without a success in between is the session's fault
 *     ... again                  new sessions: one that was out of memory once may never run again (onnxruntime_backend#203)
 *     ... and again after that   a new process, the only thing that surely gives memory back; or a rest, see below
 *
 * A lost CUDA context (sticky): a new process, at once; no further run in this one.
 *
 * Promises: the batch cap is at least 1 and never grows because of a failure; one row or one caller cannot bring down what
 * works for others, as every success in between takes the ladder back to its foot; at most one recycle is asked for, and
 * nothing runs after it. No endless loops: a process is only recycled for want of memory if the model has run well in it and
 * it has lived for a minute, else the model rests, for twice as long each time, 5 s to 5 min; a quiet time after which a
 * larger batch failed again is doubled, 10 s to 10 min. How often a process may die is up to `restart-policy.ts`.
 *
 * Worst case: memory that another process has taken for good costs the model one attempt each 5 min; each of them, one row.
 */

/** Quiet time after which the cap is doubled, in milliseconds; at first and at most. */
const FIRST_QUIET_MS = 10_000;
const LONGEST_QUIET_MS = 600_000;
/** Runs of a single row that fail for memory without a success in between, before the session counts as broken. */
const STRIKES = 2;
const FIRST_REST_MS = 5_000;
const LONGEST_REST_MS = 300_000;
/** Age at which a process may be recycled for want of memory, in milliseconds. */
const RECYCLE_AGE_MS = 60_000;
/** A cap that has grown to this is none: no model takes larger batches. */
const NO_CAP_ROWS = 4_096;
/** What a caller is told to wait while sessions are renewed or the process is. */
const RETRY_MS = 2_000;

/** It runs, in batches of so many rows at most. */
export interface Capped {
  readonly kind: "capped";
  /** As of `since`; at least 1. */
  readonly cap: number;
  readonly since: number;
  /** Time without a failure after which the cap is doubled, in milliseconds. */
  readonly quietMs: number;
  /** Single rows that failed since the last success. */
  readonly strikes: number;
  /** Renewals since the last success. */
  readonly renewals: number;
}

/** Its sessions are being replaced; nothing of it runs. */
export interface Renewing {
  readonly kind: "renewing";
  readonly quietMs: number;
  /** Since the last success, this one included. */
  readonly renewals: number;
}

/** New sessions did not help, or could not be had; nothing of it runs until it is tried again. */
export interface Resting {
  readonly kind: "resting";
  readonly until: number;
  readonly quietMs: number;
  readonly renewals: number;
}

export type ModelState = Capped | Renewing | Resting;

export interface Serving {
  readonly kind: "serving";
  readonly startedAt: number;
  /** Models that something is wrong with; what is not in here runs as it likes. */
  readonly models: ReadonlyMap<string, ModelState>;
  /** Models that have run well in this process. */
  readonly proven: ReadonlySet<string>;
}

/** The process is to end; nothing runs in it any more. */
export interface Recycling {
  readonly kind: "recycling";
  readonly reason: string;
}

export type DeviceState = Serving | Recycling;

export type DeviceEvent =
  /** Somebody wants to run a batch. */
  | { readonly kind: "asked"; readonly model: string }
  | { readonly kind: "succeeded"; readonly model: string }
  /** `rows`: of the batch that failed; 1 also for one that cannot be made smaller. */
  | { readonly kind: "out_of_memory"; readonly model: string; readonly rows: number }
  | { readonly kind: "sticky"; readonly model: string; readonly reason: string }
  | { readonly kind: "renewed"; readonly model: string }
  | { readonly kind: "renewal_failed"; readonly model: string; readonly reason: string }
  /** The model has left the device. */
  | { readonly kind: "closed"; readonly model: string };

export type DeviceAction =
  | { readonly kind: "renew"; readonly model: string }
  | { readonly kind: "recycle"; readonly reason: string };

export interface Transition {
  readonly state: DeviceState;
  readonly action: DeviceAction | undefined;
}

/** Whether a model may run now. */
export type Verdict =
  | { readonly kind: "run"; readonly cap: number }
  | { readonly kind: "refuse"; readonly why: "renewing" | "resting" | "recycling"; readonly retryAfterMs: number };

/** @param now monotonic, in milliseconds */
export function startedAt(now: number): DeviceState {
  return { kind: "serving", startedAt: now, models: new Map(), proven: new Set() };
}

/** Whether the process should be sent work. */
export function isReady(state: DeviceState): boolean {
  return state.kind === "serving";
}

export function verdict(state: DeviceState, model: string, now: number): Verdict {
  if (state.kind === "recycling") return { kind: "refuse", why: "recycling", retryAfterMs: RETRY_MS };
  const own = state.models.get(model);
  if (own?.kind === "renewing") return { kind: "refuse", why: "renewing", retryAfterMs: RETRY_MS };
  if (own?.kind === "resting") {
    return { kind: "refuse", why: "resting", retryAfterMs: Math.max(RETRY_MS, own.until - now) };
  }
  return { kind: "run", cap: capOf(own, now) };
}

/** Rows that a batch of the model may have now; infinity where nothing caps it. */
export function capOf(state: ModelState | undefined, now: number): number {
  if (state?.kind !== "capped") return Number.POSITIVE_INFINITY;
  const doublings = Math.floor(Math.max(0, now - state.since) / state.quietMs);
  const cap = state.cap * 2 ** Math.min(doublings, 12);
  return cap >= NO_CAP_ROWS ? Number.POSITIVE_INFINITY : cap;
}

/** The state after an event, and what is to be done now. */
export function next(state: DeviceState, event: DeviceEvent, now: number): Transition {
  if (state.kind === "recycling") return quietly(state);
  const { model } = event;
  const own = state.models.get(model);
  switch (event.kind) {
    case "sticky":
      return recycled(event.reason);
    case "closed":
      return quietly({ ...without(state, model), proven: minus(state.proven, model) });
    case "asked":
      if (own?.kind === "resting" && now >= own.until) return renewing(state, model, own);
      return quietly(isOver(own, now) ? without(state, model) : state);
    case "succeeded":
      return quietly(afterSuccess(state, model, own));
    case "out_of_memory":
      return own?.kind === "renewing" || own?.kind === "resting"
        ? quietly(state)
        : afterFailure(state, model, own, event.rows, now);
    case "renewed": {
      if (own?.kind !== "renewing") return quietly(state);
      const { quietMs, renewals } = own;
      return quietly(withModel(state, model, { kind: "capped", cap: 1, since: now, quietMs, strikes: 0, renewals }));
    }
    case "renewal_failed":
      return own?.kind === "renewing" ? recycledOrResting(state, model, own, now) : quietly(state);
  }
}

function afterSuccess(state: Serving, model: string, own: ModelState | undefined): Serving {
  const proven = state.proven.has(model) ? state : { ...state, proven: new Set([...state.proven, model]) };
  if (own?.kind !== "capped" || (own.strikes === 0 && own.renewals === 0)) return proven;
  return withModel(proven, model, { ...own, strikes: 0, renewals: 0 });
}

function afterFailure(state: Serving, model: string, own: Capped | undefined, rows: number, now: number): Transition {
  const hadGrown = own !== undefined && now - own.since >= own.quietMs;
  const quietMs = Math.min(LONGEST_QUIET_MS, (own?.quietMs ?? FIRST_QUIET_MS) * (hadGrown ? 2 : 1));
  const strikes = (own?.strikes ?? 0) + (rows > 1 ? 0 : 1);
  const renewals = own?.renewals ?? 0;
  if (strikes < STRIKES) {
    // A batch that was begun before the cap came down says nothing new of it.
    const cap = Math.max(1, Math.min(capOf(own, now), Math.floor(rows / 2)));
    return quietly(withModel(state, model, { kind: "capped", cap, since: now, quietMs, strikes, renewals }));
  }
  return renewals === 0
    ? renewing(state, model, { quietMs, renewals })
    : recycledOrResting(state, model, { quietMs, renewals }, now);
}

/** Nothing is left to remember of it. */
function isOver(own: ModelState | undefined, now: number): boolean {
  if (own?.kind !== "capped" || own.strikes > 0 || own.renewals > 0) return false;
  return capOf(own, now) === Number.POSITIVE_INFINITY;
}

interface Ladder {
  readonly quietMs: number;
  readonly renewals: number;
}

function renewing(state: Serving, model: string, { quietMs, renewals }: Ladder): Transition {
  return {
    state: withModel(state, model, { kind: "renewing", quietMs, renewals: renewals + 1 }),
    action: { kind: "renew", model },
  };
}

function recycledOrResting(state: Serving, model: string, { quietMs, renewals }: Ladder, now: number): Transition {
  if (state.proven.has(model) && now - state.startedAt >= RECYCLE_AGE_MS) {
    return recycled(`${model} is out of device memory, with new sessions too`);
  }
  const restMs = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** (renewals - 1));
  return quietly(withModel(state, model, { kind: "resting", until: now + restMs, quietMs, renewals }));
}

function recycled(reason: string): Transition {
  return { state: { kind: "recycling", reason }, action: { kind: "recycle", reason } };
}

function quietly(state: DeviceState): Transition {
  return { state, action: undefined };
}

function withModel(state: Serving, model: string, own: ModelState): Serving {
  return { ...state, models: new Map(state.models).set(model, own) };
}

function without(state: Serving, model: string): Serving {
  if (!state.models.has(model)) return state;
  const models = new Map(state.models);
  models.delete(model);
  return { ...state, models };
}

function minus(set: ReadonlySet<string>, one: string): ReadonlySet<string> {
  return new Set([...set].filter((other) => other !== one));
}
