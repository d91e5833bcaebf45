/**
 * A model route held against the pool before it is taken: every version must be there, and must keep the contract that callers were
 * given. What is wrong is told all at once, with each difference.
 */
import { z } from "zod";
import { type ContractCheck, checkContract } from "../../../shared/protocol/contract-check.ts";
import { WarmgateError } from "../../../shared/protocol/errors.ts";
import { isModelVersion } from "../../../shared/protocol/model-name.ts";
import {
  contractSchema,
  type ModelRoute,
  type RouteContract,
  routedVersions,
} from "../../../shared/protocol/model-route.ts";
import { modelSignatureSchema } from "../../../shared/protocol/model-signature.ts";
import {
  describeDifference,
  isCompatible,
  signatureDifferences,
} from "../../../shared/protocol/signature-difference.ts";
import type { ModelSignature } from "../../../shared/protocol/tensor.ts";
import type { PoolView } from "../../pool/pool-view.ts";

/** A contract as it is sent: its signature may be that of a version, and is that of the one with the most weight if left out. */
export const sentContractSchema = contractSchema.omit({ signature: true }).extend({
  signature: modelSignatureSchema
    .or(z.strictObject({ from: z.string().refine(isModelVersion, "a model version is a whole number from 1") }))
    .optional(),
});
export type SentContract = z.infer<typeof sentContractSchema>;

export interface CheckedContracts {
  readonly contracts: readonly RouteContract[];
  /** One sentence each; empty when all is well. */
  readonly problems: readonly string[];
}

/** @param before the route as it is; undefined for a new one */
export function checkContracts(
  model: string,
  sent: readonly SentContract[],
  before: ModelRoute | undefined,
  view: PoolView,
): CheckedContracts {
  const problems: string[] = [];
  const contracts = sent.map(({ signature: given, ...contract }) => {
    const about = (problem: string) => problems.push(`contract ${contract.contract}: ${problem}`);
    const heaviest = contract.split.versions.toSorted((a, b) => b.weight - a.weight)[0]?.version;
    const from = given === undefined ? heaviest : "from" in given ? given.from : undefined;
    const own = given !== undefined && !("from" in given) ? given : undefined;
    const signature = own ?? (from === undefined ? undefined : view.capability(model, from)?.model.signature);
    const checked = { ...contract, signature: signature ?? { inputs: [], outputs: [] } };
    const versions = routedVersions(checked);
    for (const version of from === undefined ? versions : new Set([...versions, from])) {
      const problem = versionProblem(model, version, view);
      if (problem) about(problem);
    }
    if (!signature) return checked;
    for (const problem of keptProblems(contract.contract, signature, before)) about(problem);
    for (const version of versions) for (const problem of breaches(signature, model, version, view)) about(problem);
    return checked;
  });
  return { contracts, problems };
}

/** Why requests cannot be sent to a version, with what breaks the contract. */
export function breaches(contract: ModelSignature, model: string, version: string, view: PoolView): string[] {
  const found = view.capability(model, version);
  if (!found) return [];
  const differences = signatureDifferences(contract, found.model.signature);
  if (isCompatible(differences)) return [];
  return differences
    .filter(({ breaking }) => breaking)
    .map((difference) => `version ${version} does not keep it: ${describeDifference(difference)}`);
}

/** How a version that is not set would keep a contract of a route. */
export interface VersionCheck extends ContractCheck {
  readonly route: string;
  readonly contract: number;
  readonly model: string;
  readonly version: string;
}

/**
 * Whether a version would be taken for a route; nothing is changed by that.
 *
 * @param asked the contract's number; undefined: the oldest
 * @throws WarmgateError `contract_not_found`, `version_not_found`
 */
export function checkVersion(
  { name, model, contracts }: Pick<ModelRoute, "name" | "model"> & { readonly contracts: readonly RouteContract[] },
  asked: number | undefined,
  version: string,
  view: PoolView,
): VersionCheck {
  const numbers = contracts.map(({ contract }) => contract).toSorted((a, b) => a - b);
  const kept = contracts.find(({ contract }) => contract === (asked ?? numbers[0]));
  if (!kept) {
    throw new WarmgateError("contract_not_found", `route '${name}' has the contracts ${numbers.join(", ")} only`);
  }
  const capability = view.capability(model, version);
  if (!capability) throw new WarmgateError("version_not_found", versionProblem(model, version, view) ?? "");
  const check = checkContract(kept.signature, capability.model.signature);
  return { route: name, contract: kept.contract, model, version, ...check };
}

export function versionProblem(model: string, version: string, view: PoolView): string | undefined {
  if (view.capability(model, version)) return undefined;
  const there = view.versions(model);
  if (there.length === 0) return `no node has a model ${model}`;
  return `no node has version ${version} of ${model}; there are ${there.toReversed().join(", ")}`;
}

/** A contract may grow, but what callers were given stays. */
function keptProblems(number: number, signature: ModelSignature, before: ModelRoute | undefined): string[] {
  const earlier = before?.contracts.find(({ contract }) => contract === number);
  if (!earlier) return [];
  const differences = signatureDifferences(earlier.signature, signature);
  if (isCompatible(differences)) return [];
  return differences
    .filter(({ breaking }) => breaking)
    .map((one) => `callers rely on it as it is: ${describeDifference(one)}; make it a new contract beside this one`);
}
