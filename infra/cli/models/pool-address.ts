/** Which pool a command is about, and the key that its requests are signed with. Keys sign; none is ever sent. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { nodeUrl } from "../../../shared/protocol/pool-node.ts";
import { parseSigningKeys, type SigningKey } from "../../../shared/protocol/signing.ts";
import { Unreachable } from "../admin/failure.ts";
import { parseJson } from "../answer-text.ts";
import { UsageError } from "../usage-error.ts";

export interface PoolAddress {
  /** Scheme, host and port. */
  readonly origin: string;
  /** Undefined: requests are not signed, which a pool with `--pool-auth open` takes. */
  readonly key: SigningKey | undefined;
  /** What to do when the signature is refused. */
  readonly whenRefused: string;
  /** What to do when nobody answers. */
  readonly whenSilent: string;
}

export interface PoolChoice {
  readonly url: string | undefined;
  readonly keysFile: string | undefined;
  readonly state: string | undefined;
}

const URL_VARIABLE = "WARMGATE_POOL_URL";
const KEYS_VARIABLE = "POOL_SIGNING_KEYS";
const runningSchema = z.object({ pool: z.object({ url: z.string() }) });
const secretsSchema = z.object({ poolSigningKeys: z.string() });

/**
 * @param usualState the folder of this machine's stack
 * @throws UsageError for a URL or keys that cannot be right; Unreachable when neither a URL was named nor a stack runs here
 */
export function choosePool(
  { url, keysFile, state }: PoolChoice,
  variables: Readonly<Record<string, string | undefined>>,
  usualState: string,
): PoolAddress {
  if (url !== undefined && state !== undefined) throw new UsageError("Give --url or --state, not both.");
  const named = url ?? (state === undefined ? variables[URL_VARIABLE] || undefined : undefined);
  if (named === undefined) {
    if (keysFile !== undefined) throw new UsageError("--keys-file is for the pool that --url names.");
    return localPool(state ?? usualState, state ?? ".warmgate");
  }
  const origin = checkedOrigin(named, url === undefined ? URL_VARIABLE : "--url");
  const key = keysFile === undefined ? keyOf(variables[KEYS_VARIABLE], KEYS_VARIABLE) : keyIn(keysFile);
  const source = keysFile === undefined ? KEYS_VARIABLE : keysFile;
  return {
    origin,
    key,
    whenRefused:
      key === undefined
        ? `Requests to this pool are signed: set the environment variable ${KEYS_VARIABLE}, or name a file with --keys-file.`
        : `The first key in ${source} is none of this pool's, or this machine's clock is wrong by more than 30 s.`,
    whenSilent: "Check the URL, and that the pool is up.",
  };
}

function localPool(state: string, shown: string): PoolAddress {
  const running = readIfThere(join(state, "run.json"));
  const secrets = readIfThere(join(state, "secrets.json"));
  if (running === undefined || secrets === undefined) {
    throw new Unreachable(
      `No stack runs on this machine (by ${join(shown, "run.json")}). Start one with npm start, or name a pool with --url.`,
    );
  }
  const [run, kept] = [runningSchema.safeParse(parseJson(running)), secretsSchema.safeParse(parseJson(secrets))];
  if (!run.success || !kept.success) {
    throw new Unreachable(`What is in ${shown} cannot be read. Start the stack again with npm start.`);
  }
  return {
    origin: checkedOrigin(run.data.pool.url, join(shown, "run.json")),
    key: keyOf(kept.data.poolSigningKeys, join(shown, "secrets.json")),
    whenRefused: `The key in ${join(shown, "secrets.json")} is not this pool's: start the stack again with npm start.`,
    whenSilent: "The stack is gone without a word: start it again with npm start.",
  };
}

function checkedOrigin(text: string, name: string): string {
  const parsed = nodeUrl.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new UsageError(`${name} is the pool's scheme, host and port, such as http://10.0.0.1:8000.`);
}

function keyIn(file: string): SigningKey | undefined {
  const text = readIfThere(file);
  if (text === undefined) throw new UsageError(`--keys-file: ${file} cannot be read.`);
  if (text.trim() === "") throw new UsageError(`--keys-file: ${file} is empty.`);
  return keyOf(text.trim(), file);
}

function keyOf(text: string | undefined, source: string): SigningKey | undefined {
  if (!text) return undefined;
  try {
    return parseSigningKeys(text)[0];
  } catch (error) {
    // Its texts never hold a secret; those of other errors may.
    throw new UsageError(`${source}: ${error instanceof RangeError ? error.message : "no keys can be read from it"}.`);
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
