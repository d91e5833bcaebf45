/** What a command of `warmgate models` is made of. */
import { jsonText, type Surroundings } from "../admin/command.ts";
import { describeOptions, type GivenOptions, type Options, parseOptions } from "../admin/options.ts";
import { UsageError } from "../usage-error.ts";
import { choosePool } from "./pool-address.ts";
import { PoolClient } from "./pool-client.ts";
import type { ShowProgress } from "./progress-line.ts";

/** What the command line runs in. */
export interface Terminal extends Surroundings {
  /** Undefined where nobody watches. */
  readonly progress: ShowProgress | undefined;
}

export interface ModelCall<Name extends string> {
  readonly operands: readonly string[];
  readonly given: GivenOptions<Name | CommonOption>;
  readonly terminal: Terminal;
  /** The pool that was named, or that of this machine. @throws UsageError, Unreachable */
  readonly pool: () => PoolClient;
  /** Prints a result: with `--json` the value, else the text. */
  readonly show: (value: unknown, text: () => string) => void;
}

export interface ModelCommandDefinition<Name extends string> {
  readonly summary: string;
  /** As the help names them. */
  readonly operands: readonly string[];
  /** The last one may be given again and again. */
  readonly repeatable?: true;
  readonly options: Options<Name>;
  readonly example: string;
  /** @returns the exit code */
  readonly run: (call: ModelCall<Name>) => Promise<number>;
}

export interface ModelCommand {
  readonly summary: string;
  readonly help: (name: string) => string;
  readonly execute: (name: string, args: readonly string[], terminal: Terminal) => Promise<number>;
}

type CommonOption = "json" | "url" | "keys-file" | "state" | "help";
const COMMON: Options<CommonOption> = {
  json: { about: "print the result for programs" },
  url: { value: "<url>", about: "a pool (WARMGATE_POOL_URL); requests are signed with POOL_SIGNING_KEYS" },
  "keys-file": { value: "<file>", about: "the keys, written id:base64url-secret, instead of POOL_SIGNING_KEYS" },
  state: { value: "<folder>", about: "the state of a stack on this machine (.warmgate)" },
  help: { about: "this text" },
};

/** More than the admin commands', as a difference that breaks callers is no refusal. */
export const EXIT_BREAKING = 4;
export const EXIT_CODES = `Exit codes: 0 done, 1 refused or faulty, 2 wrong usage, 3 no pool can be reached, ${EXIT_BREAKING} callers would break.`;

export function defineModelCommand<Name extends string>(definition: ModelCommandDefinition<Name>): ModelCommand {
  const { summary, operands, repeatable, options, example, run } = definition;
  const own = Object.keys(options).length === 0 ? "" : `\n${describeOptions(options)}\n`;
  const usage = (name: string) => {
    const named = operands.map((operand) => `<${operand}>`).join(" ");
    return `Usage: warmgate ${name} ${named}${repeatable ? "..." : ""}${named && " "}[options]`;
  };
  return {
    summary,
    help: (name) => {
      const sentence = `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
      const text = `${usage(name)}\n\n${sentence}\n${own}\n${describeOptions(COMMON)}`;
      return `${text}\n\nExample: ${example}\n${EXIT_CODES}`;
    },
    execute(name, args, terminal) {
      const parsed = parseOptions<Name | CommonOption>(args, { ...options, ...COMMON });
      const { given } = parsed;
      const missing = operands[parsed.operands.length];
      if (missing !== undefined) throw new UsageError(`<${missing}> is missing.\n${usage(name)}`);
      const surplus = repeatable ? undefined : parsed.operands[operands.length];
      if (surplus !== undefined) throw new UsageError(`'${surplus}' is one word too many.\n${usage(name)}`);
      const choice = { url: given.one("url"), keysFile: given.one("keys-file"), state: given.one("state") };
      return run({
        ...{ operands: parsed.operands, given, terminal },
        pool: () => new PoolClient(choosePool(choice, terminal.variables, terminal.usualState)),
        show: (value, text) => terminal.out(given.has("json") ? jsonText(value) : text()),
      });
    },
  };
}
