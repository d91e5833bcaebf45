/**
 * The operators' command line: tenants, keys, plans, costs, token issuers, usage and the audit log of a running deployment; which
 * versions stand behind its models' names, how a new one takes over, who is in the pool, and what would become of a request.
 *
 *     npx warmgate tenants create acme --rate 100/s --burst 20 --concurrency 8 --quota 1000000/month
 *     KEY=$(npx warmgate keys create acme --scope 'predict:*')
 *     npx warmgate routes set digits --weight 1=90 --weight 2=10
 *
 * Promises: the result alone goes to standard output, everything else to standard error; the exit code says whether it was done (0),
 * the server refused it (1), it was wrongly asked (2) or no Warmgate could be reached (3); the admin key is never printed, and
 * another key only by the command that made it; every question is given up after ten seconds.
 */
import { join } from "node:path";
import { PROJECT_ROOT } from "../state-folder.ts";
import { UsageError } from "../usage-error.ts";
import { AUDIT } from "./audit.ts";
import { type Command, EXIT_CODES, type Surroundings } from "./command.ts";
import { COST_COMMANDS } from "./costs.ts";
import { EXPLAIN } from "./explain.ts";
import { failureText, Refused, Unreachable } from "./failure.ts";
import { ISSUER_COMMANDS } from "./issuers.ts";
import { KEY_COMMANDS } from "./keys.ts";
import { nearestName } from "./nearest-name.ts";
import { NODE_COMMANDS } from "./nodes.ts";
import { PLAN_COMMANDS } from "./plans.ts";
import { ROLLOUT_COMMANDS } from "./rollouts.ts";
import { ROUTE_COMMANDS } from "./routes.ts";
import { TENANT_COMMANDS } from "./tenants.ts";
import { USAGE } from "./usage.ts";

/** @returns the exit code @throws UsageError */
export type Administration = (args: readonly string[], surroundings?: Surroundings) => Promise<number>;

export const tenants = severalCommands("tenants", TENANT_COMMANDS);
export const keys = severalCommands("keys", KEY_COMMANDS);
export const plans = severalCommands("plans", PLAN_COMMANDS);
export const costs = severalCommands("costs", COST_COMMANDS);
export const issuers = severalCommands("issuers", ISSUER_COMMANDS);
export const routes = severalCommands("routes", ROUTE_COMMANDS);
export const rollout = severalCommands("rollout", ROLLOUT_COMMANDS);
export const nodes = severalCommands("nodes", NODE_COMMANDS);
export const explain = oneCommand("explain", EXPLAIN);
export const usage = oneCommand("usage", USAGE);
export const audit = oneCommand("audit", AUDIT);

function oneCommand(name: string, command: Command): Administration {
  return (args, surroundings = thisProcess()) => execute(name, command, args, surroundings);
}

function severalCommands(group: string, commands: Readonly<Record<string, Command>>): Administration {
  const width = Math.max(...Object.keys(commands).map((verb) => verb.length));
  const help = [
    `Usage: warmgate ${group} <command> [options]\n`,
    ...Object.entries(commands).map(([verb, { summary }]) => `  ${verb.padEnd(width)}  ${summary}`),
    `\n  warmgate ${group} <command> --help shows a command's options.\n${EXIT_CODES}`,
  ].join("\n");
  return async ([verb = "", ...args], surroundings = thisProcess()) => {
    if (verb === "help" || verb === "--help") {
      surroundings.out(help);
      return 0;
    }
    const command = Object.hasOwn(commands, verb) ? commands[verb] : undefined;
    if (command) return execute(`${group} ${verb}`, command, args, surroundings);
    const nearest = nearestName(verb, Object.keys(commands));
    const meant = nearest === undefined ? "" : ` Did you mean '${nearest}'?`;
    throw new UsageError(verb === "" ? help : `There is no command '${group} ${verb}'.${meant}\n\n${help}`);
  };
}

async function execute(
  name: string,
  command: Command,
  args: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  if (args.includes("--help")) {
    surroundings.out(command.help(name));
    return 0;
  }
  try {
    await command.execute(name, args, surroundings);
    return 0;
  } catch (error) {
    if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
    surroundings.note(failureText(name, error));
    return error.exitCode;
  }
}

function thisProcess(): Surroundings {
  return {
    out: (text) => console.log(text),
    note: (text) => console.error(text),
    variables: process.env,
    usualState: join(PROJECT_ROOT, ".warmgate"),
    now: Date.now,
  };
}
