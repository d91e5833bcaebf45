/**
 * Which deployment a command is about, and the key for it.
 *
 * The key of this machine's stack is sent to no other address, and the key of the environment to none but the one that was named.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { parseApiKey } from "../../../shared/protocol/api-key.ts";
import { parseJson } from "../answer-text.ts";
import { UsageError } from "../usage-error.ts";
import { Unreachable } from "./failure.ts";

export interface Deployment {
  /** Scheme, host and port. */
  readonly origin: string;
  readonly key: string;
  /** Where the key came from, for advice when it is refused. */
  readonly keySource: string;
  /** What to do when nobody answers. */
  readonly whenSilent: string;
}

export interface DeploymentChoice {
  readonly url: string | undefined;
  readonly state: string | undefined;
}

const URL_VARIABLE = "WARMGATE_URL";
const KEY_VARIABLE = "WARMGATE_ADMIN_KEY";
const runningSchema = z.object({ edge: z.object({ url: z.string() }) });
/** What can stand in a header; tokens of an issuer are allowed as well as API keys. */
const HEADER_SAFE = /^[\x21-\x7e]{1,8192}$/;

/**
 * @param usualState the folder of this machine's stack
 * @throws UsageError for a URL or key that cannot be right; Unreachable when neither a URL was named nor a stack runs here
 */
export function chooseDeployment(
  { url, state }: DeploymentChoice,
  variables: Readonly<Record<string, string | undefined>>,
  usualState: string,
): Deployment {
  if (url !== undefined && state !== undefined) throw new UsageError("Give --url or --state, not both.");
  const named = url ?? (state === undefined ? variables[URL_VARIABLE] || undefined : undefined);
  if (named === undefined) return localDeployment(state ?? usualState, state ?? ".warmgate");
  const origin = checkedOrigin(named, url === undefined ? URL_VARIABLE : "--url");
  const key = variables[KEY_VARIABLE];
  if (!key) throw new UsageError(`${origin} needs an admin key: set the environment variable ${KEY_VARIABLE}.`);
  if (!HEADER_SAFE.test(key) || (key.startsWith("wg_") && !parseApiKey(key))) {
    throw new UsageError(`The key in ${KEY_VARIABLE} is cut off or mistyped: its checksum is wrong.`);
  }
  return { origin, key, keySource: KEY_VARIABLE, whenSilent: "Check the URL, and that the deployment is up." };
}

function localDeployment(state: string, shown: string): Deployment {
  const running = readState(state, "run.json");
  const key = readState(state, "admin-key")?.trim();
  if (running === undefined || !key) {
    throw new Unreachable(
      `No stack runs on this machine (by ${join(shown, "run.json")}). Start one with npm start, or name a deployment with --url.`,
    );
  }
  const parsed = runningSchema.safeParse(parseJson(running));
  if (!parsed.success || !HEADER_SAFE.test(key)) {
    throw new Unreachable(`What is in ${shown} cannot be read. Start the stack again with npm start.`);
  }
  return {
    origin: checkedOrigin(parsed.data.edge.url, join(shown, "run.json")),
    key,
    keySource: join(shown, "admin-key"),
    whenSilent: "The stack is gone without a word: start it again with npm start.",
  };
}

/**
 * Scheme, host and port of a URL that a key may be sent to: HTTPS, or plain HTTP on this machine.
 *
 * @throws UsageError; it does not repeat a URL that has a password in it
 */
export function checkedOrigin(text: string, name: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new UsageError(`${name} is a URL such as https://warmgate.example.com.`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new UsageError(`${name} must not hold a user or password; the key comes from ${KEY_VARIABLE}.`);
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw new UsageError(`${name} is scheme and host only: ${url.origin}`);
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    throw new UsageError(
      `${name}: the admin key is not sent over plain HTTP to another machine. Use https://${url.host}`,
    );
  }
  return url.origin;
}

/** As the URL parser writes hosts: it has already turned forms such as 127.1 into four numbers. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function readState(folder: string, name: string): string | undefined {
  try {
    return readFileSync(join(folder, name), "utf8");
  } catch {
    return undefined;
  }
}
