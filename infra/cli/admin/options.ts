/** Options of the operators' commands: read strictly, so that nothing that was typed is silently without effect. */
import { parseArgs } from "node:util";
import { UsageError } from "../usage-error.ts";
import { nearestName } from "./nearest-name.ts";

export interface Option {
  /** What stands for the value in the help; a flag has none. */
  readonly value?: string;
  readonly repeatable?: true;
  readonly about: string;
}

export type Options<Name extends string> = Readonly<Record<Name, Option>>;

/** What was given, as text. */
export class GivenOptions<Name extends string> {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  has(name: Name): boolean {
    return this.#values.has(name);
  }

  one(name: Name): string | undefined {
    return this.#values.get(name)?.[0];
  }

  all(name: Name): readonly string[] {
    return this.#values.get(name) ?? [];
  }
}

export interface ParsedArguments<Name extends string> {
  readonly operands: readonly string[];
  readonly given: GivenOptions<Name>;
}

/** @throws UsageError for options that there are not, that lack their value, or that came twice and may come once */
export function parseOptions<Name extends string>(
  args: readonly string[],
  options: Options<Name>,
): ParsedArguments<Name> {
  const known = new Map<string, Option>(Object.entries<Option>(options));
  const config = Object.fromEntries(
    [...known].map(([name, { value }]) => [
      name,
      { type: value === undefined ? ("boolean" as const) : ("string" as const), multiple: true },
    ]),
  );
  const { tokens } = parseArgs({ args: [...args], options: config, strict: false, tokens: true });
  const operands: string[] = [];
  const values = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const option = known.get(token.name);
    if (!option || !token.rawName.startsWith("--")) throw unknownOption(token.rawName, [...known.keys()]);
    const value = checkedValue(token.rawName, option, token.value, token.inlineValue === true);
    const earlier = values.get(token.name) ?? [];
    if (earlier.length > 0 && !option.repeatable) throw new UsageError(`${token.rawName} is given twice.`);
    values.set(token.name, [...earlier, value]);
  }
  return { operands, given: new GivenOptions<Name>(values) };
}

function checkedValue(name: string, option: Option, value: string | undefined, inline: boolean): string {
  if (option.value === undefined) {
    if (value === undefined) return "";
    throw new UsageError(`${name} takes no value.`);
  }
  // The parser would take the next option for the value; a - alone stands for standard input.
  if (value === undefined || value === "" || (!inline && value.startsWith("-") && value !== "-")) {
    throw new UsageError(`${name} needs a value: ${name} ${option.value}`);
  }
  return value;
}

function unknownOption(typed: string, names: readonly string[]): UsageError {
  const nearest = nearestName(typed.replace(/^-+/, ""), names);
  const meant = nearest === undefined ? "" : ` Did you mean --${nearest}?`;
  return new UsageError(
    `There is no option ${typed}.${meant}\nOptions: ${names.map((name) => `--${name}`).join(", ")}`,
  );
}

/** For the help: one line an option. */
export function describeOptions(options: Options<string>): string {
  const lines = Object.entries(options).map(([name, { value, about, repeatable }]) => ({
    left: value === undefined ? `--${name}` : `--${name} ${value}`,
    right: repeatable ? `${about}; may be repeated` : about,
  }));
  const width = Math.max(...lines.map(({ left }) => left.length));
  return lines.map(({ left, right }) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}
