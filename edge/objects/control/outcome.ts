/** Refusals of the control plane as values: errors lose their class on the way between objects. */

export type ControlRefusal = {
  readonly refused: "not_found" | "conflict" | "invalid_configuration";
  /** Everything that is wrong, one sentence each. */
  readonly problems: readonly string[];
};

export type Outcome<Value> = { readonly value: Value; readonly version: number } | ControlRefusal;

/** Thrown inside a transaction, which it rolls back, and turned into the outcome outside of it. */
export class Refusal extends Error {
  readonly outcome: ControlRefusal;

  constructor(refused: ControlRefusal["refused"], ...problems: readonly string[]) {
    super(problems.join("; "));
    this.outcome = { refused, problems };
  }
}
