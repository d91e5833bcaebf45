/** What a client knows of each of its requests, for the invariants to be checked against. */
import type { Datatype } from "../../../shared/protocol/datatype.ts";

export interface Answered {
  readonly kind: "answered";
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** When its last byte was there, on the scale of `sentAt`. */
  readonly answeredAt: number;
}

export type Outcome =
  | Answered
  /** The connection ended, or the client gave up. */
  | {
      readonly kind: "unanswered";
      readonly reason: string;
      /** When that was known, on the scale of `sentAt`. */
      readonly endedAt: number;
    };

export interface JsonTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
}

/** What is asked, and what a 200 to it may hold. */
export interface Question {
  readonly input: JsonTensor;
  readonly expected: Expectation;
}

/** What a 200 may hold. */
export type Expectation =
  | { readonly kind: "outputs"; readonly outputs: readonly JsonTensor[] }
  /** Told the content of the body, undefined where it is not JSON. */
  | { readonly kind: "holds"; readonly holds: (content: unknown) => boolean };

export interface ClientRecord {
  /** As sent in x-request-id; one that is there twice was answered twice. */
  readonly id: string;
  readonly tenant: string;
  /** In milliseconds, monotonic. */
  readonly sentAt: number;
  /** After `sentAt`. */
  readonly deadlineMs: number;
  readonly expected: Expectation;
  readonly outcome: Outcome;
}
