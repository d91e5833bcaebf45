import { scopeSchema } from "../../../shared/protocol/scope.ts";
import { UsageError } from "../usage-error.ts";
import { type Command, defineCommand } from "./command.ts";
import { Refused } from "./failure.ts";
import { tenantName } from "./names.ts";
import { type IssuerReply, issuerReply, listOf } from "./replies.ts";
import { properties, table } from "./table.ts";

const issuers = listOf(issuerReply);
const USUAL_ALGORITHMS = ["RS256"];

const ls = defineCommand({
  summary: "whose tokens are taken instead of API keys",
  operands: [],
  options: {},
  example: "warmgate issuers ls",
  async run({ ask, show: print }) {
    const found = await ask(issuers, { path: ["issuers"] });
    print(found, () =>
      table<IssuerReply>(
        [
          { title: "NAME", cell: nameOf },
          { title: "ISSUER", cell: ({ issuer }) => issuer },
          { title: "AUDIENCE", cell: audienceText },
          { title: "ALGORITHMS", cell: ({ algorithms }) => algorithms.join(" ") },
          { title: "TENANT", cell: tenantText },
        ],
        found.items,
      ),
    );
  },
});

const show = defineCommand({
  summary: "an issuer of tokens",
  operands: ["name"],
  options: {},
  example: "warmgate issuers show corporate",
  async run({ operand, ask, show: print }) {
    const name = operand("name");
    const found = (await ask(issuers, { path: ["issuers"] })).items.find((item) => nameOf(item) === name);
    if (!found)
      throw new Refused(`there is no issuer ${name}`, "not_found", undefined, "warmgate issuers ls lists them.");
    print(found, () => describeIssuer(found));
  },
});

const set = defineCommand({
  summary: "take an issuer's tokens; what was set before under that name is replaced as a whole",
  operands: ["name"],
  options: {
    issuer: { value: "<url>", about: "the tokens' iss (the name itself, where that is a URL)" },
    audience: { value: "<text>", about: "the tokens' aud" },
    jwks: { value: "<url>", about: "where the issuer publishes its keys" },
    algorithm: { value: "<alg>", repeatable: true, about: `a signature that is taken (${USUAL_ALGORITHMS.join(" ")})` },
    tenant: { value: "<tenant>", about: "whose calls they are, of all its tokens" },
    "tenant-claim": { value: "<claim>", about: "or the claim that names the tenant" },
    "scope-claim": { value: "<claim>", about: "the claim that holds the scopes" },
    allow: {
      value: "<scope>",
      repeatable: true,
      about: "the most that its tokens may do: predict:<model glob>, jobs, admin",
    },
  },
  example:
    "warmgate issuers set corporate --issuer https://id.example.com --audience warmgate --jwks https://id.example.com/jwks --tenant acme",
  async run({ operand, given, ask, show: print }) {
    const name = operand("name");
    const issuer = given.one("issuer") ?? name;
    if (!URL.canParse(issuer)) throw new UsageError(`--issuer is a URL such as https://id.example.com.`);
    const audience = required(given.one("audience"), "--audience");
    const jwksUrl = required(given.one("jwks"), "--jwks");
    if (!URL.canParse(jwksUrl)) throw new UsageError("--jwks is a URL such as https://id.example.com/jwks.");
    const allowed = given.all("allow");
    const wrong = allowed.find((scope) => !scopeSchema.safeParse(scope).success);
    if (wrong !== undefined) throw new UsageError(`--allow is predict:<model glob>, jobs or admin, not '${wrong}'.`);
    const algorithms = given.has("algorithm") ? given.all("algorithm") : USUAL_ALGORITHMS;
    const scopeClaim = given.one("scope-claim");
    const body = {
      ...{ issuer, audience, jwksUrl, algorithms },
      tenant: parseTenant(given.one("tenant"), given.one("tenant-claim")),
      ...(scopeClaim === undefined ? {} : { scopeClaim }),
      ...(allowed.length === 0 ? {} : { allowedScopes: allowed }),
    };
    const stored = await ask(issuerReply, { method: "PUT", path: ["issuers", name], body });
    print(stored, () => describeIssuer(stored));
  },
});

const rm = defineCommand({
  summary: "take an issuer's tokens no more",
  operands: ["name"],
  options: {},
  example: "warmgate issuers rm corporate",
  async run({ operand, ask, show: print }) {
    const removed = await ask(issuerReply, { method: "DELETE", path: ["issuers", operand("name")] });
    print(removed, () => `Tokens of ${nameOf(removed)} are taken no more.`);
  },
});

export const ISSUER_COMMANDS: Readonly<Record<string, Command>> = { ls, show, set, rm };

function parseTenant(fixed: string | undefined, claim: string | undefined): { fixed: string } | { claim: string } {
  if (fixed !== undefined && claim === undefined) return { fixed: tenantName(fixed) };
  if (claim !== undefined && fixed === undefined) return { claim };
  throw new UsageError("Give --tenant or --tenant-claim, one of them.");
}

function required(value: string | undefined, name: string): string {
  if (value === undefined) throw new UsageError(`${name} is missing.`);
  return value;
}

function nameOf({ id, issuer }: IssuerReply): string {
  return id ?? issuer;
}

function audienceText({ audience }: IssuerReply): string {
  return typeof audience === "string" ? audience : audience.join(" ");
}

function tenantText({ tenant }: IssuerReply): string {
  return "fixed" in tenant ? String(tenant.fixed) : `by claim ${String(tenant.claim)}`;
}

function describeIssuer(issuer: IssuerReply): string {
  return properties([
    ["name", nameOf(issuer)],
    ["issuer", issuer.issuer],
    ["audience", audienceText(issuer)],
    ["keys", issuer.jwksUrl],
    ["algorithms", issuer.algorithms.join(" ")],
    ["tenant", tenantText(issuer)],
    ["scope claim", issuer.scopeClaim ?? ""],
    ["may do", (issuer.allowedScopes ?? []).join(" ")],
  ]);
}
