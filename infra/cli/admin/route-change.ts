/** What is sent for a changed route: what was given, and all that was there before as it was. */
import { UsageError } from "../usage-error.ts";
import { Refused } from "./failure.ts";
import type { ContractChange, Deprecation, Experiment, RouteChange } from "./route-options.ts";
import type { ContractReply, StoredRouteReply } from "./route-replies.ts";

const FIRST_CONTRACT = 1;

/**
 * @param before undefined: there is no such route
 * @throws UsageError for what can only be said of a contract that is there
 * @throws Refused for a contract to be removed that is not there
 */
export function routeBody(
  change: RouteChange,
  before: StoredRouteReply | undefined,
): Readonly<Record<string, unknown>> {
  const { model = before?.route.model, contractChange, removed } = change;
  const left = without(removed, before?.route.contracts ?? []);
  const isChanged = before === undefined || Object.keys(contractChange).length > 0;
  const cache = { ...before?.route.cache, ...change.cache };
  return {
    revision: before?.revision ?? 0,
    ...(model === undefined ? {} : { model }),
    contracts: isChanged ? withContract(change, left) : left,
    ...(Object.keys(cache).length === 0 ? {} : { cache }),
  };
}

function without(removed: number | undefined, contracts: readonly ContractReply[]): readonly ContractReply[] {
  if (removed === undefined) return contracts;
  const left = contracts.filter(({ contract }) => contract !== removed);
  if (left.length === contracts.length) {
    throw new Refused(`there is no contract ${removed}`, "not_found", undefined, "warmgate routes show lists them.");
  }
  if (left.length === 0) {
    throw new UsageError("A route keeps a contract; warmgate routes rm <route> removes it with its last one.");
  }
  return left;
}

function withContract({ contract: asked, contractChange }: RouteChange, contracts: readonly ContractReply[]) {
  const oldest = Math.min(...contracts.map(({ contract }) => contract));
  const number = asked ?? (contracts.length === 0 ? FIRST_CONTRACT : oldest);
  const before = contracts.find(({ contract }) => contract === number);
  const changed = changedContract(contractChange, number, before);
  return before ? contracts.map((one) => (one === before ? changed : one)) : [...contracts, changed];
}

function changedContract(
  { versions, sticky, experiment, deprecation, ...replaced }: ContractChange,
  contract: number,
  before: ContractReply | undefined,
) {
  const split = { ...before?.split, ...(versions && { versions }), ...(sticky && { sticky }) };
  if (split.versions === undefined) {
    throw new UsageError(`There is no contract ${contract} yet: a new one needs --weight, such as --weight 1=1.`);
  }
  return {
    contract,
    ...before,
    ...replaced,
    split,
    ...(experiment === undefined ? {} : { experiment: experimentAfter(experiment, before?.experiment) }),
    ...(deprecation === undefined ? {} : { deprecation: deprecationAfter(deprecation, before?.deprecation) }),
  };
}

/** With other arms it keeps callers to theirs by what it did before. */
function experimentAfter(given: Experiment | null, before: ContractReply["experiment"] | undefined) {
  if (given === null) return null;
  return { ...(before?.name === given.name ? { sticky: before.sticky } : {}), ...given };
}

function deprecationAfter(given: Partial<Deprecation> | null, before: ContractReply["deprecation"] | undefined) {
  if (given === null) return null;
  const after = { ...(before ?? { sunset: null, link: null }), ...given };
  if (after.at === undefined) throw new UsageError("--sunset and --deprecation-link go with --deprecate <when>.");
  return after;
}
