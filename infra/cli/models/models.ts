/**
 * Models at the command line: those of a running pool, and files before they are given to one.
 *
 *     npx warmgate models ls
 *     npx warmgate models validate my-models
 *     npx warmgate models diff gpu-pool/models/digits@1 digits@2 --json
 *
 * Promises: files are opened in a process that may be lost before this one touches them, and judged by what the pool itself runs
 * when it loads them; the result alone goes to standard output; the exit code says whether all is well (0), the pool refused or a
 * fault was found (1), it was wrongly asked (2), no pool could be reached (3) or callers would break (4); signing keys are never
 * printed or sent.
 *
 * Worst case: a file that hangs is given up after two minutes; a pool that loads for longer than `--wait` goes on by itself.
 */
import { join } from "node:path";
import { failureText, Refused, Unreachable } from "../admin/failure.ts";
import { nearestName } from "../admin/nearest-name.ts";
import { PROJECT_ROOT } from "../state-folder.ts";
import { UsageError } from "../usage-error.ts";
import { LOAD, UNLOAD } from "./control.ts";
import { DIFF } from "./diff.ts";
import { FETCH } from "./fetch.ts";
import { INSPECT } from "./inspect.ts";
import { LS } from "./ls.ts";
import { EXIT_CODES, type ModelCommand, type Terminal } from "./model-command.ts";
import { progressLine } from "./progress-line.ts";
import { VALIDATE } from "./validate.ts";

const COMMANDS: Readonly<Record<string, ModelCommand>> = {
  ls: LS,
  inspect: INSPECT,
  diff: DIFF,
  validate: VALIDATE,
  load: LOAD,
  unload: UNLOAD,
  fetch: FETCH,
};
const WIDTH = Math.max(...Object.keys(COMMANDS).map((verb) => verb.length));
const HELP = [
  "Usage: warmgate models <command> [options]\n",
  ...Object.entries(COMMANDS).map(([verb, { summary }]) => `  ${verb.padEnd(WIDTH)}  ${summary}`),
  `\n  warmgate models <command> --help shows a command's options.\n${EXIT_CODES}`,
].join("\n");

/** @returns the exit code @throws UsageError */
export async function models(
  [verb = "", ...args]: readonly string[],
  terminal: Terminal = thisTerminal(),
): Promise<number> {
  if (verb === "help" || verb === "--help") {
    terminal.out(HELP);
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, verb) ? COMMANDS[verb] : undefined;
  if (!command) {
    const nearest = nearestName(verb, Object.keys(COMMANDS));
    const meant = nearest === undefined ? "" : ` Did you mean '${nearest}'?`;
    throw new UsageError(verb === "" ? HELP : `There is no command 'models ${verb}'.${meant}\n\n${HELP}`);
  }
  if (args.includes("--help")) {
    terminal.out(command.help(`models ${verb}`));
    return 0;
  }
  try {
    return await command.execute(`models ${verb}`, args, terminal);
  } catch (error) {
    terminal.progress?.(undefined);
    if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
    terminal.note(failureText(`models ${verb}`, error));
    return error.exitCode;
  }
}

function thisTerminal(): Terminal {
  return {
    out: (text) => console.log(text),
    note: (text) => console.error(text),
    variables: process.env,
    usualState: join(PROJECT_ROOT, ".warmgate"),
    now: Date.now,
    progress: progressLine(process.stderr),
  };
}
