/** What a command of the operators' command line is made of. */
import type { z } from "zod";
import { UsageError } from "../usage-error.ts";
import { AdminClient, type AdminRequest } from "./admin-client.ts";
import { chooseDeployment } from "./deployment.ts";
import { describeOptions, type GivenOptions, type Options, parseOptions } from "./options.ts";

/** What the command line runs in. */
export interface Surroundings {
  /** A line, or several, for whoever reads the result. */
  readonly out: (text: string) => void;
  /** A line for the person at the keyboard, beside the result. */
  readonly note: (text: string) => void;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Where a stack on this machine keeps its state. */
  readonly usualState: string;
  readonly now: () => number;
}

export interface Call<Operand extends string, Name extends string> {
  readonly operand: (name: Operand) => string;
  readonly given: GivenOptions<Name>;
  readonly json: boolean;
  readonly surroundings: Surroundings;
  readonly ask: <Value>(schema: z.ZodType<Value>, request: AdminRequest) => Promise<Value>;
  readonly askCsv: (request: AdminRequest) => Promise<string>;
  /** Prints a result: as it came with `--json`, else as text. */
  readonly show: (value: unknown, text: () => string) => void;
}

export interface CommandDefinition<Operand extends string, Name extends string> {
  readonly summary: string;
  /** All of them must be given, in this order. */
  readonly operands: readonly Operand[];
  readonly options: Options<Name>;
  readonly example: string;
  /** Checks all that was given before it asks anything. */
  readonly run: (call: Call<Operand, Name>) => Promise<void>;
}

export interface Command {
  readonly summary: string;
  /** @param name with its group's: `keys create` */
  readonly help: (name: string) => string;
  readonly execute: (name: string, args: readonly string[], surroundings: Surroundings) => Promise<void>;
}

const COMMON: Options<"json" | "url" | "state" | "help"> = {
  json: { about: "print what the server answered, for programs" },
  url: { value: "<url>", about: "a deployment (WARMGATE_URL); its key comes from WARMGATE_ADMIN_KEY" },
  state: { value: "<folder>", about: "the state of a stack on this machine (.warmgate)" },
  help: { about: "this text" },
};

export const EXIT_CODES = "Exit codes: 0 done, 1 the server refused, 2 wrong usage, 3 no Warmgate can be reached.";

export function defineCommand<Operand extends string, Name extends string>(
  definition: CommandDefinition<Operand, Name>,
): Command {
  const { summary, operands, options, example, run } = definition;
  const own = Object.keys(options).length === 0 ? "" : `\n${describeOptions(options)}\n`;
  const usage = (name: string) =>
    ["Usage: warmgate", name, ...operands.map((operand) => `<${operand}>`), "[options]"].join(" ");
  return {
    summary,
    help: (name) =>
      `${usage(name)}\n\n${sentence(summary)}\n${own}\n${describeOptions(COMMON)}\n\nExample: ${example}\n${EXIT_CODES}`,
    async execute(name, args, surroundings) {
      const parsed = parseOptions<Name | keyof typeof COMMON>(args, { ...options, ...COMMON });
      const { given } = parsed;
      const operand = namedOperands(operands, parsed.operands, usage(name));
      const choice = { url: given.one("url"), state: given.one("state") };
      const client = () => new AdminClient(chooseDeployment(choice, surroundings.variables, surroundings.usualState));
      const json = given.has("json");
      await run({
        ...{ operand, given, json, surroundings },
        ask: (schema, request) => client().ask(schema, request),
        askCsv: (request) => client().askCsv(request),
        show: (value, text) => surroundings.out(json ? jsonText(value) : text()),
      });
    },
  };
}

/** What to say beside a list that goes on. @param option that begins there */
export function moreNote(option: string, next: string | number | null): string | undefined {
  return next === null ? undefined : `There is more: add --${option} ${next}`;
}

function namedOperands<Operand extends string>(
  names: readonly Operand[],
  given: readonly string[],
  usage: string,
): (name: Operand) => string {
  const missing = names[given.length];
  if (missing !== undefined) throw new UsageError(`<${missing}> is missing.\n${usage}`);
  const surplus = given[names.length];
  if (surplus !== undefined) throw new UsageError(`'${surplus}' is one word too many.\n${usage}`);
  return (name) => given[names.indexOf(name)] ?? "";
}

/** Terminals obey some characters that JSON leaves as they are. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
