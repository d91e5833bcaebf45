import { inspect } from "node:util";
import type { RemoteSource } from "./model-source.ts";
import { SourceError } from "./source-error.ts";

/** A value that shows itself nowhere: not in JSON, not in a template, not when inspected. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "(secret)";
  }

  toJSON(): string {
    return "(secret)";
  }

  [inspect.custom](): string {
    return "(secret)";
  }
}

export type Credentials =
  | { readonly kind: "none" }
  | { readonly kind: "bearer"; readonly token: Secret }
  | {
      readonly kind: "aws";
      readonly accessKeyId: string;
      readonly secretAccessKey: Secret;
      readonly sessionToken: Secret | undefined;
    };

/** RFC 6750, section 2.1. */
const BEARER_TOKEN = /^[A-Za-z0-9._~+/-]{1,8192}=*$/;
/** What fits in a header and in a credential scope. */
const AWS_VALUE = /^[\x21-\x7e]{1,8192}$/;

/**
 * What a source is authenticated with, from the environment alone: command lines are seen by all of a machine.
 * `WARMGATE_MODELS_TOKEN` for https://; `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` for s3://, without
 * which a bucket is read as anyone may.
 *
 * @throws SourceError `misconfigured`; its text shows no value
 */
export function readCredentials(source: RemoteSource, environment: NodeJS.ProcessEnv): Credentials {
  if (source.kind === "http") {
    const token = environment.WARMGATE_MODELS_TOKEN;
    if (!token) return { kind: "none" };
    return { kind: "bearer", token: secret("WARMGATE_MODELS_TOKEN", token, BEARER_TOKEN) };
  }
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key, AWS_SESSION_TOKEN: session } = environment;
  if (!id && !key) return { kind: "none" };
  if (!id || !key) {
    throw new SourceError("misconfigured", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set both, or neither");
  }
  const accessKeyId = secret("AWS_ACCESS_KEY_ID", id, /^[\w-]{1,128}$/).reveal();
  const secretAccessKey = secret("AWS_SECRET_ACCESS_KEY", key, AWS_VALUE);
  const sessionToken = session ? secret("AWS_SESSION_TOKEN", session, AWS_VALUE) : undefined;
  return { kind: "aws", accessKeyId, secretAccessKey, sessionToken };
}

function secret(name: string, value: string, pattern: RegExp): Secret {
  if (!pattern.test(value)) throw new SourceError("misconfigured", `${name} has characters that none can have`);
  return new Secret(value);
}
