/** For tests: a real HTTP server that answers as it is told and keeps what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { TestContext } from "node:test";
import { formatApiKey } from "../../../shared/protocol/api-key.ts";
import { UNLIMITED } from "../../../shared/protocol/tenant-limits.ts";
import type { Administration } from "./admin.ts";
import type { Surroundings } from "./command.ts";

export interface Asked {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}

export interface ScriptedApi {
  readonly origin: string;
  readonly asked: readonly Asked[];
}

/** Well-formed, known nowhere. */
export const ADMIN_KEY = formatApiKey({ environment: "test", kid: "0".repeat(10), secret: "0".repeat(32) });

export type Script = (request: Asked, response: ServerResponse) => void;

/** Runs while the test that asked for it runs. */
export async function scriptedApi(context: TestContext, script: Script): Promise<ScriptedApi> {
  const asked: Asked[] = [];
  const server = createServer((message, response) => {
    let text = "";
    message.setEncoding("utf8");
    message.on("data", (part: string) => {
      text += part;
    });
    message.on("end", () => {
      const body: unknown = text === "" ? undefined : JSON.parse(text);
      const request = { method: message.method, url: message.url, headers: message.headers, body };
      asked.push(request);
      script(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  context.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { origin: `http://127.0.0.1:${address.port}`, asked };
}

export function answerJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

export interface Typed extends Surroundings {
  readonly printed: readonly string[];
  readonly noted: readonly string[];
}

/** A keyboard and screen. @param origin the deployment that the environment names */
export function typedAt(origin: string | undefined, now = Date.UTC(2027, 0, 1)): Typed {
  const printed: string[] = [];
  const noted: string[] = [];
  return {
    ...{ printed, noted },
    out: (text) => printed.push(text),
    note: (text) => noted.push(text),
    variables: origin === undefined ? {} : { WARMGATE_URL: origin, WARMGATE_ADMIN_KEY: ADMIN_KEY },
    usualState: "/nonexistent",
    now: () => now,
  };
}

export const CREATED = Date.UTC(2026, 10, 23, 12);
export const TENANT = {
  ...{ id: "acme", plan: "default", operator: false, suspended: false, createdAt: CREATED },
  limits: { rate: { perSecond: 100, burst: 20 } },
  effectiveLimits: { ...UNLIMITED, rate: { perSecond: 100, burst: 20 }, quotaPerMonth: 1_000_000 },
};
export const KEY = {
  ...{ kid: "0aB1cD2eF3", tenant: "acme", name: "ci", environment: "test", scopes: ["predict:*"], limits: {} },
  ...{ expiresAt: null, createdAt: CREATED, revokedAt: null, lastUsedAt: null, secrets: [{ notAfter: null }] },
};
export const KEY_TEXT = "wg_test_0aB1cD2eF3_notReallyASecret_000000";

/** One command line against an API that always answers with this value. */
export function typed(context: TestContext, command: Administration, line: string, answer: unknown) {
  return typedTo(context, command, line, (_, response) => answerJson(response, answer));
}

export async function typedTo(context: TestContext, command: Administration, line: string, script: Script) {
  const api = await scriptedApi(context, script);
  const at = typedAt(api.origin);
  const code = await command(line.split(" "), at);
  return { code, asked: api.asked, printed: at.printed.join("\n"), noted: at.noted.join("\n") };
}

export function sent(asked: readonly Asked[]) {
  return asked.map(({ method, url, body }) => ({ method, path: url?.replace("/admin/v1/", ""), body }));
}
