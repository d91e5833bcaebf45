/**
 * A node of the pool without models: it announces itself, checks the edge's signatures and answers as it is told to, one request at
 * a time if need be.
 *
 *     const node = await startFakeNode({ name: "a", signingKeys, announceTo: edge.edgeUrl });
 *     node.script = ({ number }) => (number < 3 ? { kind: "refusal", code: "overloaded", retryAfterSeconds: 1 } : undefined);
 *     node.load = { waitMs: 250, admissionLevel: 512, slots: 1 };
 *     await node.stop();
 *
 * It knows what its models answer without running them. Signatures, description, announcements and the form of all
 * messages are those of a real node, by the same code.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Announcer } from "../../../gpu-pool/announce/announcer.ts";
import { EdgeConnection } from "../../../gpu-pool/announce/edge-connection.ts";
import type { DeviceLoad } from "../../../gpu-pool/scheduler/device-scheduler.ts";
import { realClock } from "../../../gpu-pool/scheduler/real-clock.ts";
import { type RejectionReason, SignatureAuthenticator } from "../../../gpu-pool/server/authenticate.ts";
import { formatLoad } from "../../../gpu-pool/server/load.ts";
import { NodeDescription } from "../../../gpu-pool/server/node-description.ts";
import { errorReply, jsonReply, type Reply, send } from "../../../gpu-pool/server/reply.ts";
import { matchRoute } from "../../../gpu-pool/server/routing.ts";
import { asWarmgateError, WarmgateError } from "../../../shared/protocol/errors.ts";
import { ATTEMPT, INFERENCE_HEADER_LENGTH, POOL_ARTEFACT, POOL_USAGE } from "../../../shared/protocol/headers.ts";
import type { Announcement } from "../../../shared/protocol/pool-node.ts";
import { decodeInferenceRequest } from "../../../shared/protocol/request.ts";
import { checkInputs } from "../../../shared/protocol/signature.ts";
import { parseSigningKeys, type SignedParameters } from "../../../shared/protocol/signing.ts";
import type { InferenceRequest } from "../../../shared/protocol/tensor.ts";
import { type FakeAnswer, writeAnswer } from "./fake-answer.ts";
import { type FakeModel, IDENTITY_MODELS, identityModel } from "./identity-models.ts";

/** A prediction as the edge asked for it. */
export interface ReceivedRequest {
  /** Counted from 0. */
  readonly number: number;
  /** When its head was there, in milliseconds since 1970. */
  readonly arrivedAt: number;
  readonly target: string;
  /** By lower-case name. */
  readonly headers: IncomingMessage["headers"];
  /** 1, or 2 for a retry. */
  readonly attempt: number;
  /** Tenant, time budget, nonce and id among them. */
  readonly signed: SignedParameters;
  readonly asked: InferenceRequest;
}

/** How a request is answered; rightly where it says nothing. */
export type Script = (request: ReceivedRequest) => FakeAnswer | undefined;

export interface FakeNodeOptions {
  readonly name: string;
  /** In the form of POOL_SIGNING_KEYS; the first signs announcements. */
  readonly signingKeys: string;
  /** `cpu` unless given. */
  readonly hardware?: string;
  /** Those of `IDENTITY_MODELS` unless given. */
  readonly models?: readonly FakeModel[];
  /** Origin of the edge; without it the node is found by `GET /pool/node` only. */
  readonly announceTo?: string;
  /** Where the edge is to reach it: a proxy in front of it. */
  readonly announcedUrl?: string;
}

const HOST = "127.0.0.1";
/** As a real node: the side that sends requests must be the one that closes. */
const KEEP_ALIVE_MS = 960_000;
const LEAVE_MS = 500;
const SILENCE = { info: () => undefined, warn: () => undefined };

export class FakeNode {
  script: Script = () => undefined;
  /** As it is announced, and told with each answer. */
  load: DeviceLoad = { waitMs: 0, admissionLevel: 512, slots: 1 };
  /** Predictions that were signed as they should be, in the order of arrival. */
  readonly requests: ReceivedRequest[] = [];
  /** Why others were not let in. */
  readonly rejected: RejectionReason[] = [];
  readonly #models: readonly FakeModel[];
  readonly #authenticator: SignatureAuthenticator;
  readonly #description: NodeDescription;
  readonly #server: Server;
  #announcer: Announcer | undefined;
  #silent = false;

  constructor({ name, signingKeys, models, hardware = "cpu" }: FakeNodeOptions) {
    this.#models = models ?? IDENTITY_MODELS.map((model) => identityModel(model));
    const reject = (reason: RejectionReason) => void this.rejected.push(reason);
    this.#authenticator = new SignatureAuthenticator(parseSigningKeys(signingKeys), Date.now, reject);
    const identity = { node: name, device: "cpu", hardware, provider: "cpu", startedAt: Date.now() };
    this.#description = new NodeDescription(identity, { ready: true, served: () => this.#models }, this);
    this.#server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) =>
      this.#serve(request, response),
    );
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  get url(): string {
    return `http://${HOST}:${this.port}`;
  }

  async start({ announceTo, announcedUrl, signingKeys }: FakeNodeOptions): Promise<void> {
    this.#server.listen(0, HOST);
    await once(this.#server, "listening");
    if (announceTo === undefined) return;
    const edge = new EdgeConnection(announceTo, parseSigningKeys(signingKeys)[0]);
    const deliver = (word: Announcement) => (this.#silent ? new Promise<never>(() => undefined) : edge.deliver(word));
    this.#announcer = new Announcer({
      ...{ url: announcedUrl ?? this.url, node: this.#description, deliver },
      ...{ clock: realClock, random: Math.random, log: SILENCE, count: () => undefined },
    });
    this.#announcer.start();
  }

  /** Says goodbye to the edge, then ends as `kill` does. */
  async stop(): Promise<void> {
    if (!this.#silent) await this.#announcer?.leave(LEAVE_MS);
    await this.kill();
  }

  /** Ends without a word, and with it all connections. */
  async kill(): Promise<void> {
    this.#silent = true;
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const arrivedAt = Date.now();
    const { method = "", url: target = "", headers } = request;
    let requestId = "unsigned";
    try {
      const body = Buffer.concat(await request.toArray());
      const signed = this.#authenticator.authenticate({ method, target, headers }, body);
      requestId = signed.requestId;
      const route = matchRoute(method, target);
      if (route.to === "infer") {
        const headerLength = headers[INFERENCE_HEADER_LENGTH];
        const asked = decodeInferenceRequest(body, typeof headerLength === "string" ? headerLength : null);
        const received = {
          ...{ number: this.requests.length, arrivedAt, target, headers, signed, asked },
          attempt: Number(headers[ATTEMPT] ?? 1),
        };
        this.requests.push(received);
        this.#infer(this.#find(route.model), received, response);
      } else send(response, this.#tell(route.to), requestId);
    } catch (thrown) {
      send(response, errorReply(asWarmgateError(thrown), requestId), requestId);
    }
  }

  #infer(
    { identity, signature, answer: answerOf }: FakeModel,
    received: ReceivedRequest,
    response: ServerResponse,
  ): void {
    const { asked, signed } = received;
    checkInputs(signature, asked.inputs);
    const right = {
      ...{ asked, requestId: signed.requestId },
      response: { modelName: identity.name, modelVersion: identity.version, outputs: answerOf(asked.inputs) },
      // The tenant's own wait is everybody's: here no tenant is ahead of another.
      load: formatLoad(this.load, this.load.waitMs),
      headers: {
        [POOL_USAGE]: `rows=${asked.inputs[0]?.shape[0] ?? 0};device=0`,
        [POOL_ARTEFACT]: identity.digest,
      },
    };
    const answer = this.script(received) ?? { kind: "right" };
    const { delayMs = 0 } = answer;
    if (delayMs === 0) writeAnswer(response, answer, right);
    else setTimeout(() => writeAnswer(response, answer, right), delayMs).unref();
  }

  #find(name: string): FakeModel {
    const model = this.#models.find(({ identity }) => identity.name === name);
    if (!model) throw new WarmgateError("model_not_found", `there is no model '${name}'`);
    return model;
  }

  #tell(what: string): Reply {
    if (what === "node") return jsonReply(this.#description.describe(false));
    if (what === "server_ready" || what === "server_live") return jsonReply({ ready: true });
    throw new WarmgateError("not_found", "a fake node does not know this path");
  }
}

export async function startFakeNode(options: FakeNodeOptions): Promise<FakeNode> {
  const node = new FakeNode(options);
  await node.start(options);
  return node;
}
