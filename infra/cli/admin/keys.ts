import { scopeProblems, scopeSchema } from "../../../shared/protocol/scope.ts";
import { UsageError } from "../usage-error.ts";
import { requireChange } from "./change.ts";
import { type Command, defineCommand, moreNote } from "./command.ts";
import { parseDuration, parseInstant } from "./duration-text.ts";
import { describeKey, keyColumns } from "./key-text.ts";
import { LIMIT_OPTIONS, newLimits, parseLimits, withBurst } from "./limit-options.ts";
import { keyId, tenantName } from "./names.ts";
import type { Options } from "./options.ts";
import { gather, LIMIT_OPTION, parseListLimit } from "./pages.ts";
import { keyReply, newKeyReply, pageOf } from "./replies.ts";
import { table } from "./table.ts";

const USUAL_SCOPE = "predict:*";
const LONGEST_OVERLAP_DAYS = 30;
const LONGEST_NAME = 200;
const KEY_OPTIONS: Options<"name" | "scope" | "expires"> = {
  name: { value: "<text>", about: "for people: what the key is for" },
  scope: { value: "<scope>", repeatable: true, about: "predict:<model glob>, jobs or admin" },
  expires: { value: "<when>|never", about: "90d from now, or 2027-01-31" },
};
const keys = pageOf(keyReply);

const ls = defineCommand({
  summary: "a tenant's keys, revoked ones included",
  operands: ["tenant"],
  options: { limit: LIMIT_OPTION, after: { value: "<key>", about: "begin behind this one" } },
  example: "warmgate keys ls acme",
  async run({ operand, given, ask, show: print, surroundings }) {
    const path = keysOf(operand("tenant"));
    const limit = parseListLimit(given.one("limit"));
    const found = await gather(limit, given.one("after"), (after, size) =>
      ask(keys, { path, query: { after, limit: size } }),
    );
    print(found, () => table(keyColumns(surroundings.now()), found.items));
    const more = moreNote("after", found.next);
    if (more !== undefined) surroundings.note(more);
  },
});

const show = defineCommand({
  summary: "a key, without its secret",
  operands: ["tenant", "key"],
  options: {},
  example: "warmgate keys show acme 0aB1cD2eF3",
  async run({ operand, ask, show: print, surroundings }) {
    const key = await ask(keyReply, { path: keyOf(operand("tenant"), operand("key")) });
    print(key, () => describeKey(key, surroundings.now()));
  },
});

const create = defineCommand({
  summary: "make a key; its text is printed this once, alone on the last line",
  operands: ["tenant"],
  options: {
    ...KEY_OPTIONS,
    scope: { ...KEY_OPTIONS.scope, about: `${KEY_OPTIONS.scope.about} (${USUAL_SCOPE})` },
    ...LIMIT_OPTIONS,
  },
  example: "KEY=$(npx warmgate keys create acme --scope 'predict:*' --expires 90d)",
  async run({ operand, given, ask, show: print, surroundings, json }) {
    const path = keysOf(operand("tenant"));
    const body = {
      scopes: [USUAL_SCOPE],
      ...givenProperties(given, surroundings.now()),
      limits: newLimits(parseLimits(given)),
    };
    const made = await ask(newKeyReply, { method: "POST", path, body });
    if (!json)
      surroundings.note(`Key ${made.kid} of ${made.tenant}. It is shown this once and stored nowhere; keep it:`);
    print(made, () => made.key);
  },
});

const set = defineCommand({
  summary: "change a key's name, scopes, expiry or limits; what is not given stays",
  operands: ["tenant", "key"],
  options: { ...KEY_OPTIONS, ...LIMIT_OPTIONS },
  example: "warmgate keys set acme 0aB1cD2eF3 --rate 10/s",
  async run({ operand, given, ask, show: print, surroundings }) {
    const path = keyOf(operand("tenant"), operand("key"));
    const limits = parseLimits(given);
    const change = givenProperties(given, surroundings.now());
    const rate = limits.burstAlone === undefined ? undefined : (await ask(keyReply, { path })).limits.rate;
    const overrides = withBurst(limits, rate);
    const body = { ...change, ...(Object.keys(overrides).length === 0 ? {} : { limits: overrides }) };
    requireChange(body);
    const key = await ask(keyReply, { method: "PATCH", path, body });
    print(key, () => describeKey(key, surroundings.now()));
  },
});

const rotate = defineCommand({
  summary: "give a key another secret; the one before still works for a while",
  operands: ["tenant", "key"],
  options: {
    overlap: { value: "<duration>", about: `for how long (1d; 0s: not at all; ${LONGEST_OVERLAP_DAYS}d at the most)` },
  },
  example: "KEY=$(npx warmgate keys rotate acme 0aB1cD2eF3 --overlap 2h)",
  async run({ operand, given, ask, show: print, surroundings, json }) {
    const path = [...keyOf(operand("tenant"), operand("key")), "rotate"];
    const overlap = given.one("overlap");
    const overlapSeconds = overlap === undefined ? undefined : parseDuration(overlap, "--overlap");
    if (overlapSeconds !== undefined && overlapSeconds > LONGEST_OVERLAP_DAYS * 86_400) {
      throw new UsageError(`--overlap is ${LONGEST_OVERLAP_DAYS}d at the most.`);
    }
    const body = overlapSeconds === undefined ? {} : { overlapSeconds };
    const made = await ask(newKeyReply, { method: "POST", path, body });
    if (!json) surroundings.note(`Key ${made.kid} of ${made.tenant}, its new text. It is shown this once; keep it:`);
    print(made, () => made.key);
  },
});

const revoke = defineCommand({
  summary: "revoke a key, everywhere within seconds; it cannot be undone",
  operands: ["tenant", "key"],
  options: {},
  example: "warmgate keys revoke acme 0aB1cD2eF3",
  async run({ operand, ask, show: print, surroundings }) {
    const key = await ask(keyReply, { method: "DELETE", path: keyOf(operand("tenant"), operand("key")) });
    print(key, () => describeKey(key, surroundings.now()));
  },
});

export const KEY_COMMANDS: Readonly<Record<string, Command>> = { ls, show, create, set, rotate, revoke };

interface GivenProperties {
  readonly name?: string;
  readonly scopes?: readonly string[];
  readonly expiresAt?: number | null;
}

/** @throws UsageError */
function givenProperties(
  given: { one(name: "name" | "expires"): string | undefined; all(name: "scope"): readonly string[] },
  now: number,
): GivenProperties {
  const name = given.one("name");
  if (name !== undefined && name.length > LONGEST_NAME)
    throw new UsageError(`--name is ${LONGEST_NAME} characters at the most.`);
  const scopes = given.all("scope");
  for (const scope of scopes) {
    if (!scopeSchema.safeParse(scope).success) {
      throw new UsageError(`--scope is predict:<model glob>, jobs or admin, not '${scope}'.`);
    }
  }
  const [problem] = scopeProblems(scopes);
  if (problem !== undefined) throw new UsageError(`--scope: ${problem}.`);
  const expires = given.one("expires");
  return {
    ...(name === undefined ? {} : { name }),
    ...(scopes.length === 0 ? {} : { scopes }),
    ...(expires === undefined ? {} : { expiresAt: expires === "never" ? null : futureInstant(expires, now) }),
  };
}

function futureInstant(text: string, now: number): number {
  const at = parseInstant(text, "--expires", now, 1);
  if (at > now) return at;
  throw new UsageError(`--expires ${text} is past.`);
}

function keysOf(tenant: string): string[] {
  return ["tenants", tenantName(tenant), "keys"];
}

function keyOf(tenant: string, key: string): string[] {
  return [...keysOf(tenant), keyId(key)];
}
