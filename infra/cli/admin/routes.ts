import { describeCheck } from "../models/contract-check.ts";
import { UsageError } from "../usage-error.ts";
import { type Call, type Command, defineCommand, moreNote } from "./command.ts";
import { Refused } from "./failure.ts";
import { modelVersion, routeName } from "./names.ts";
import { gather, LIMIT_OPTION, parseListLimit } from "./pages.ts";
import { pageOf } from "./replies.ts";
import { comparisonsReply } from "./rollout-replies.ts";
import { routeBody } from "./route-change.ts";
import { contractNumber, parseRouteChange, ROUTE_OPTIONS } from "./route-options.ts";
import { type StoredRouteReply, storedRouteReply, versionCheckReply } from "./route-replies.ts";
import { describeRoute, listRoutes } from "./route-text.ts";
import { describeComparisons } from "./shadow-text.ts";

const routes = pageOf(storedRouteReply);

const ls = defineCommand({
  summary: "all model routes, by name, a line a contract",
  operands: [],
  options: { limit: LIMIT_OPTION, after: { value: "<route>", about: "begin behind this one" } },
  example: "warmgate routes ls",
  async run({ given, ask, show: print, surroundings }) {
    const limit = parseListLimit(given.one("limit"));
    const found = await gather(limit, given.one("after"), (after, size) =>
      ask(routes, { path: ["routes"], query: { after, limit: size } }),
    );
    print(found, () => listRoutes(found.items));
    const more = moreNote("after", found.next);
    if (more !== undefined) surroundings.note(more);
  },
});

const show = defineCommand({
  summary: "a model route: its contracts, and which versions get what",
  operands: ["route"],
  options: {},
  example: "warmgate routes show digits",
  async run({ operand, ask, show: print }) {
    const stored = await ask(storedRouteReply, { path: routePath(operand("route")) });
    print(stored, () => describeRoute(stored));
  },
});

const set = defineCommand({
  summary: "add or change a model route; what is not given stays",
  operands: ["route"],
  options: ROUTE_OPTIONS,
  example: "warmgate routes set digits --weight 1=90 --weight 2=10",
  async run({ operand, given, ask, show: print, surroundings }) {
    const path = routePath(operand("route"));
    const change = parseRouteChange(given, surroundings.now());
    const body = routeBody(change, await routeThere(ask, path));
    const stored = await ask(storedRouteReply, { method: "PUT", path, body });
    print(stored, () => describeRoute(stored));
  },
});

const check = defineCommand({
  summary: "whether a version would keep a route's contract, and what would break; nothing is changed",
  operands: ["route"],
  options: {
    version: { value: "<version>", about: "the version of the route's model" },
    contract: { value: "<n>", about: "which contract (the oldest)" },
  },
  example: "warmgate routes check digits --version 2",
  async run({ operand, given, ask, show: print }) {
    const path = [...routePath(operand("route")), "check"];
    const version = given.one("version");
    if (version === undefined) throw new UsageError("--version <version> is missing.");
    const contract = given.one("contract");
    const query = {
      version: modelVersion(version, "--version"),
      ...(contract === undefined ? {} : { contract: String(contractNumber(contract, "--contract")) }),
    };
    const checked = await ask(versionCheckReply, { path, query });
    const names = {
      contract: `contract ${checked.contract} of ${checked.route}`,
      version: `version ${checked.version} of ${checked.model}`,
    };
    print(checked, () => describeCheck(checked, names));
    if (checked.compatible) return;
    throw new Refused(`${names.version} would break ${names.contract}`, "invalid_configuration", undefined, undefined);
  },
});

const shadow = defineCommand({
  summary: "how far the answers of shadow versions differ",
  operands: ["route"],
  options: {},
  example: "warmgate routes shadow digits",
  async run({ operand, ask, show: print }) {
    const shown = await ask(comparisonsReply, { path: [...routePath(operand("route")), "shadow"] });
    print(shown, () => describeComparisons(shown.comparisons));
  },
});

const rm = defineCommand({
  summary: "remove a model route: its name then stands for the newest version of the model of that name",
  operands: ["route"],
  options: {},
  example: "warmgate routes rm digits",
  async run({ operand, ask, show: print }) {
    const name = operand("route");
    const removed = await ask(storedRouteReply, { method: "DELETE", path: routePath(name) });
    print(removed, () => `Route ${name} is removed: its name stands for the newest version of a model ${name}.`);
  },
});

export const ROUTE_COMMANDS: Readonly<Record<string, Command>> = { ls, show, check, set, shadow, rm };

/** @throws UsageError */
export function routePath(name: string): string[] {
  return ["routes", routeName(name)];
}

/** @returns undefined where there is none yet */
async function routeThere(
  ask: Call<never, never>["ask"],
  path: readonly string[],
): Promise<StoredRouteReply | undefined> {
  try {
    return await ask(storedRouteReply, { path });
  } catch (error) {
    if (error instanceof Refused && error.code === "not_found") return undefined;
    throw error;
  }
}
