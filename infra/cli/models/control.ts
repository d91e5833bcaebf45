/** `models load` and `models unload`: the repository API of a pool, waited for. */
import { z } from "zod";
import { Refused } from "../admin/failure.ts";
import { modelName } from "../admin/names.ts";
import { nearestName } from "../admin/nearest-name.ts";
import { parseWholeNumber } from "../admin/number-text.ts";
import { table } from "../admin/table.ts";
import { defineModelCommand, type ModelCommand, type Terminal } from "./model-command.ts";
import type { PoolClient } from "./pool-client.ts";
import { INDEX, type IndexEntry, indexReply } from "./pool-replies.ts";

const LOOK_EVERY_MS = 500;
/** Shorter than the 300 s after which the platform itself gives up a request. */
const LONGEST_WAIT_S = 290;

export const LOAD = control("load", "bring a model in a pool to what is on its disk");
export const UNLOAD = control("unload", "take a model out of service once it has answered what it had taken in");

function control(verb: "load" | "unload", summary: string): ModelCommand {
  return defineModelCommand({
    summary,
    operands: ["name"],
    options: {
      wait: { value: "<seconds>", about: `how long to wait for it; it goes on after that (${LONGEST_WAIT_S})` },
    },
    example: `warmgate models ${verb} digits`,
    async run({ operands: [operand = ""], given, pool, terminal, show }) {
      const name = modelName(operand);
      const wait = given.one("wait");
      const seconds = wait === undefined ? LONGEST_WAIT_S : parseWholeNumber(wait, "--wait", 1, LONGEST_WAIT_S);
      const client = pool();
      const request = { method: "POST" as const, path: ["v2", "repository", "models", name, verb] };
      const over = new AbortController();
      const following = follow(client, name, terminal, over.signal);
      try {
        await client.ask(z.unknown(), { ...request, limitMs: seconds * 1000 });
      } catch (error) {
        throw await withSuggestion(error, name, client);
      } finally {
        over.abort();
        await following;
      }
      const versions = await versionsOf(client, name);
      show({ name, versions }, () => describeStates(versions));
      return 0;
    },
  });
}

/** Shows the states of a model's versions for as long as they change. */
async function follow(client: PoolClient, name: string, terminal: Terminal, over: AbortSignal): Promise<void> {
  const { progress, now } = terminal;
  if (!progress) return;
  const startedAt = now();
  while (!over.aborted) {
    // The request that this is about says what is wrong.
    const versions = await versionsOf(client, name).catch(() => []);
    const states = versions.map(({ version, state }) => `version ${version} ${state}`);
    const seconds = Math.floor((now() - startedAt) / 1000);
    if (!over.aborted) progress(`${name}: ${states.join(", ") || "not known yet"}, ${seconds} s`);
    await untilAborted(over, LOOK_EVERY_MS);
  }
  progress(undefined);
}

function untilAborted(signal: AbortSignal, limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, limitMs);
    signal.addEventListener("abort", end);
  });
}

async function versionsOf(client: PoolClient, name: string): Promise<IndexEntry[]> {
  return (await client.ask(indexReply, INDEX)).filter((entry) => entry.name === name);
}

/** Says which name was probably meant, where a pool does not know the one that was given. */
export async function withSuggestion(error: unknown, name: string, client: PoolClient): Promise<unknown> {
  if (!(error instanceof Refused) || error.code !== "model_not_found") return error;
  const index = await client.ask(indexReply, INDEX).catch(() => []);
  const nearest = nearestName(name, [...new Set(index.map((entry) => entry.name))]);
  const meant = nearest === undefined ? "" : `Did you mean '${nearest}'? `;
  return new Refused(error.message, error.code, error.requestId, `${meant}warmgate models ls lists them.`);
}

function describeStates(versions: readonly IndexEntry[]): string {
  return table(
    [
      { title: "MODEL", cell: ({ name }) => name },
      { title: "VERSION", cell: ({ version }) => version },
      { title: "STATE", cell: ({ state }) => state },
      { title: "REASON", cell: ({ reason }) => reason },
    ],
    versions,
  );
}
