/** Sizes, broken HTTP and callers who leave: the server must refuse or shrug, and go on serving. */
import http from "node:http";
import { gzipSync } from "node:zlib";
import { errorText } from "./documents.ts";
import { encode } from "./inference.ts";
import { type Heard, head, hear } from "./raw-connection.ts";
import { expect, NotApplicable, type Rule, SPEC } from "./rule.ts";
import { expectAnswer, inferPath, inferSimple, simpleCall } from "./simple-model.ts";
import type { Target } from "./target.ts";

const WAIT_MS = 5_000;
/** Above the default limit of every known server (Triton: 64 MiB). */
const BOMB_BYTES = 128 * 1024 * 1024;

function ownHeaders(target: Target): string[] {
  return Object.entries(target.options.headers).map(([name, value]) => `${name}: ${value}`);
}

/** Sends a head and a body as they stand to infer of `simple`; gives the first reply. */
async function sendAsIs(target: Target, lines: readonly string[], body: string): Promise<Heard> {
  await target.require(target.options.simple);
  const url = target.urlOf(inferPath(target.options.simple));
  const text = head(url, "POST", [...ownHeaders(target), ...lines]) + body;
  return hear(url, Buffer.from(text), WAIT_MS, (heard) => heard.includes("\r\n\r\n"));
}

async function stillServes(target: Target): Promise<void> {
  const call = simpleCall();
  expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
}

function expectRefused({ status, closed, text }: Heard): void {
  const refused = closed ? status === undefined || status >= 400 : status !== undefined && status >= 400;
  expect(refused, `expected 4xx or a closed connection, got ${text.split("\r\n")[0] || "nothing"}`);
}

export const limitRules: readonly Rule[] = [
  {
    id: "limits/conflicting-lengths",
    level: "MUST",
    says: "two different Content-Length values are refused",
    source: `${SPEC.http}: RFC 9112 section 6.3`,
    check: async (target) => expectRefused(await sendAsIs(target, ["Content-Length: 2", "Content-Length: 3"], "{} ")),
  },
  {
    id: "limits/length-and-chunked",
    level: "MUST",
    says: "Content-Length beside Transfer-Encoding is refused, or the connection is closed after the reply",
    source: `${SPEC.http}: RFC 9112 section 6.1`,
    check: async (target) => {
      await target.require(target.options.simple);
      const url = target.urlOf("/v2/health/live");
      const smuggled = head(url, "GET", [...ownHeaders(target), "X-Second: yes"]);
      const lines = [...ownHeaders(target), "Content-Length: 5", "Transfer-Encoding: chunked"];
      const bytes = Buffer.from(`${head(url, "POST", lines)}0\r\n\r\n${smuggled}`);
      const { text, closed } = await hear(url, bytes, WAIT_MS, () => false);
      const replies = text.split(/(?=HTTP\/1\.1 \d{3})/).filter((part) => part !== "");
      expect(closed || replies.length === 0, "the connection stayed open");
      expect(replies.length <= 1, `${replies.length} replies on one connection: the second request was smuggled`);
    },
  },
  {
    id: "limits/length-not-a-number",
    level: "MUST",
    says: "a Content-Length that is not a number is refused",
    source: `${SPEC.http}: RFC 9112 section 6.3`,
    check: async (target) => expectRefused(await sendAsIs(target, ["Content-Length: many"], "{}")),
  },
  {
    id: "limits/cut-request",
    level: "MUST",
    says: "a caller who leaves in the middle of a body does no harm",
    source: SPEC.http,
    check: async (target) => {
      const url = target.urlOf(inferPath(target.options.simple));
      const text = `${head(url, "POST", [...ownHeaders(target), "Content-Length: 1000"])}{"inputs":`;
      for (let turn = 0; turn < 5; turn += 1) await hear(url, Buffer.from(text), 50, () => false);
      await stillServes(target);
    },
  },
  {
    id: "limits/left-before-reply",
    level: "MUST",
    says: "callers who leave before the reply do no harm to others",
    source: `${SPEC.triton}: a disconnect cancels the request`,
    check: async (target) => {
      const url = target.urlOf(inferPath(target.options.simple));
      const { body } = encode({ inputs: simpleCall(8).inputs });
      const lines = [...ownHeaders(target), "Content-Type: application/json", `Content-Length: ${body.length}`];
      const bytes = Buffer.concat([Buffer.from(head(url, "POST", lines)), body]);
      await Promise.all(Array.from({ length: 8 }, () => hear(url, bytes, 2, () => false)));
      await stillServes(target);
    },
  },
  {
    id: "limits/connection-after-error",
    level: "SHOULD",
    says: "after an error the connection serves the next request, or is closed cleanly",
    source: `${SPEC.http}; ${SPEC.tritonClient} keeps connections`,
    check: async (target) => {
      if (target.base.protocol !== "http:") throw new NotApplicable("asked over plain HTTP only");
      await target.require(target.options.simple);
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const path = inferPath(target.options.simple);
      try {
        for (let turn = 0; turn < 4; turn += 1) {
          errorText(await target.send({ method: "POST", path, body: Buffer.from("nonsense"), agent }));
          const call = simpleCall();
          const { headers, body } = encode({ inputs: call.inputs });
          expectAnswer(await target.send({ method: "POST", path, headers, body, agent }), call);
        }
      } finally {
        agent.destroy();
      }
    },
  },
  {
    id: "limits/expect-continue",
    level: "SHOULD",
    says: "Expect: 100-continue gets 100 or a final status without the body being sent",
    source: `${SPEC.http} section 10.1.1`,
    check: async (target) => {
      const heard = await sendAsIs(target, ["Expect: 100-continue", "Content-Length: 2"], "");
      expect(heard.status !== undefined, "no reply within 5 s");
    },
  },
  {
    id: "limits/vast-length",
    level: "SHOULD",
    says: "a Content-Length of 64 GiB is refused before the body is sent",
    source: `${SPEC.http} section 15.5.14 (413)`,
    check: async (target) => expectRefused(await sendAsIs(target, [`Content-Length: ${64 * 2 ** 30}`], '{"inputs":')),
  },
  {
    id: "limits/compression-bomb",
    level: "SHOULD",
    says: "128 MiB in some 128 KiB of gzip is refused with 4xx, and the server lives",
    source: `${SPEC.triton}: the input limit also holds after decompression`,
    check: async (target) => {
      const json = JSON.stringify({ inputs: simpleCall().inputs });
      const body = gzipSync(Buffer.concat([Buffer.alloc(BOMB_BYTES, " "), Buffer.from(json)]));
      const headers = { "content-type": "application/json", "content-encoding": "gzip" };
      await target.require(target.options.simple);
      const reply = await target.send({ method: "POST", path: inferPath(target.options.simple), headers, body });
      expect(reply.status >= 400 && reply.status < 500, `expected 4xx, got ${reply.status}`);
      await stillServes(target);
    },
  },
  {
    id: "limits/long-url",
    level: "SHOULD",
    says: "a URL of 100,000 characters gets 4xx or a closed connection",
    source: `${SPEC.http} section 15.5.15 (414)`,
    check: async (target) => {
      const url = target.urlOf(`/v2/models/${"a".repeat(100_000)}`);
      expectRefused(await hear(url, Buffer.from(head(url, "GET", ownHeaders(target))), WAIT_MS, (text) => text !== ""));
      await stillServes(target);
    },
  },
  {
    id: "limits/vast-headers",
    level: "SHOULD",
    says: "a megabyte of headers gets 4xx or a closed connection",
    source: "RFC 6585 section 5 (431)",
    check: async (target) => {
      const url = target.urlOf("/v2");
      const lines = Array.from({ length: 1_000 }, (_, index) => `x-filler-${index}: ${"f".repeat(1_000)}`);
      expectRefused(await hear(url, Buffer.from(head(url, "GET", lines)), WAIT_MS, (text) => text !== ""));
      await stillServes(target);
    },
  },
];
