import { randomUUID } from "node:crypto";
import { Pool } from "undici";
import {
  ANNOUNCEMENTS_PATH,
  type Announcement,
  type AnnouncementAnswer,
  announcementAnswerSchema,
} from "../../shared/protocol/pool-node.ts";
import { SIGNING_WINDOW_MS, type SigningKey } from "../../shared/protocol/signing.ts";
import { signRequest } from "./sign-request.ts";

export type DeliveryFailure = {
  readonly kind: "unreachable" | "timeout" | "refused" | "unreadable";
  /** For the log; shows no secret. */
  readonly reason: string;
};

/** What became of a word. */
export type Delivery = { readonly kind: "answered"; readonly answer: AnnouncementAnswer } | DeliveryFailure;

const LONGEST_MS = 2_000;
const LARGEST_ANSWER = 64 * 1024;
/** Of an answer that is not what was expected, this much is logged. */
const SHOWN_CHARACTERS = 200;
const CHECK_KEYS = `POOL_SIGNING_KEYS must hold a key of the edge's, and the clocks may differ by ${SIGNING_WINDOW_MS / 1000} s`;

/** One connection to the edge, kept open between words. A redirect is a refusal: the signature is for one place. */
export class EdgeConnection {
  readonly #origin: string;
  readonly #key: SigningKey;
  readonly #connections: Pool;

  /** @param origin of the edge */
  constructor(origin: string, key: SigningKey) {
    this.#origin = origin;
    this.#key = key;
    this.#connections = new Pool(origin, {
      connections: 1,
      // One word at a time has nothing to gain from HTTP/2.
      allowH2: false,
      connect: { timeout: LONGEST_MS },
      maxResponseSize: LARGEST_ANSWER,
    });
  }

  /** Sends a word and waits for its answer, 2 s at most. Never throws. */
  async deliver(word: Announcement): Promise<Delivery> {
    const body = Buffer.from(JSON.stringify(word));
    const authorization = signRequest(this.#key, {
      target: ANNOUNCEMENTS_PATH,
      headerLength: "",
      body,
      timeoutMs: LONGEST_MS,
      requestId: randomUUID(),
    });
    try {
      const reply = await this.#connections.request({
        method: "POST",
        path: ANNOUNCEMENTS_PATH,
        headers: { authorization, "content-type": "application/json" },
        body,
        signal: AbortSignal.timeout(LONGEST_MS),
      });
      return this.#read(reply.statusCode, await reply.body.text());
    } catch (error) {
      return this.#failure(error);
    }
  }

  #read(status: number, text: string): Delivery {
    const shown = text.slice(0, SHOWN_CHARACTERS);
    if (status !== 200) {
      const advice = status === 401 ? `; ${CHECK_KEYS}` : "";
      return { kind: "refused", reason: `${this.#origin} answered ${status}: ${shown}${advice}` };
    }
    const answer = parseAnswer(text);
    return answer
      ? { kind: "answered", answer }
      : { kind: "unreadable", reason: `${this.#origin} answered what is no answer: ${shown}` };
  }

  #failure(error: unknown): DeliveryFailure {
    const code = codeOf(error);
    if (code === "TimeoutError" || code === "UND_ERR_CONNECT_TIMEOUT") {
      return { kind: "timeout", reason: `${this.#origin} did not answer within ${LONGEST_MS} ms` };
    }
    if (code === "UND_ERR_RES_EXCEEDED_MAX_SIZE") {
      return { kind: "unreadable", reason: `${this.#origin} answered more than ${LARGEST_ANSWER} bytes` };
    }
    return { kind: "unreachable", reason: `${this.#origin} cannot be reached: ${code}` };
  }
}

function parseAnswer(text: string): AnnouncementAnswer | undefined {
  try {
    return announcementAnswerSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Messages are no help: that of a name with several addresses is empty. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
