/** The server under test: its URL, the headers every request carries, the models it is asked for, and what was said. */
import { type ModelMetadata, modelMetadata } from "./documents.ts";
import { type Call, exchange, type Reply } from "./http-exchange.ts";
import { NotApplicable } from "./rule.ts";

/** One request and what came back, kept so that a failure can be shown as it happened. */
export interface Exchange {
  readonly call: Call;
  readonly headers: Readonly<Record<string, string>>;
  readonly reply: Reply | Error;
}

export interface TargetOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Model that adds and subtracts two INT32[-1,16] tensors. */
  readonly simple: string;
  /** The same on integers written as BYTES. */
  readonly simpleString: string;
  /** Identity models are called this and a datatype in lower case. */
  readonly identityPrefix: string;
  /** Model that may be unloaded and loaded again; absent: none may. */
  readonly controlModel?: string;
  readonly timeoutMs: number;
}

/** Exchanges kept of one rule; the oldest are dropped. */
const KEPT_EXCHANGES = 4;

export class Target {
  readonly options: TargetOptions;
  readonly base: URL;
  /** What was said since the last `forget`, newest last, at most KEPT_EXCHANGES. */
  readonly said: Exchange[] = [];

  constructor(options: TargetOptions) {
    this.options = options;
    this.base = new URL(options.url);
  }

  urlOf(path: string): URL {
    return new URL(this.base.origin + this.base.pathname.replace(/\/$/, "") + path);
  }

  /** Sends one request with the target's own headers and remembers it. */
  async send(call: Call): Promise<Reply> {
    const headers = { ...(call.anonymous === true ? {} : this.options.headers), ...call.headers };
    try {
      const reply = await exchange(this.urlOf(call.path), call, headers, this.options.timeoutMs);
      this.#remember({ call, headers, reply });
      return reply;
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      this.#remember({ call, headers, reply: failure });
      throw failure;
    }
  }

  get(path: string): Promise<Reply> {
    return this.send({ method: "GET", path });
  }

  /** POSTs a JSON value. */
  post(path: string, value: unknown): Promise<Reply> {
    const body = Buffer.from(JSON.stringify(value));
    return this.send({ method: "POST", path, body, headers: { "content-type": "application/json" } });
  }

  /** The model's metadata, or NotApplicable if the target does not have it. */
  async require(model: string): Promise<ModelMetadata> {
    const reply = await this.get(`/v2/models/${encodeURIComponent(model)}`);
    if (reply.status !== 200) throw new NotApplicable(`the target has no model \`${model}\``);
    return modelMetadata(reply);
  }

  forget(): void {
    this.said.length = 0;
  }

  #remember(one: Exchange): void {
    this.said.push(one);
    if (this.said.length > KEPT_EXCHANGES) this.said.shift();
  }
}
