/**
 * The step that finds out what a name stands for: the contract that the caller was written against, the version that answers, and who has
 * it. A pure function decides (`shared/control/routing/version-choice.ts`), so a dry run and the explanation say the same.
 */
import { chooseVersion, dependsOnInputs, type VersionChoice } from "../../shared/control/routing/version-choice.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { CONTRACT, HARDWARE, VERSION_PIN } from "../../shared/protocol/headers.ts";
import { isModelVersion } from "../../shared/protocol/model-name.ts";
import type { ModelRoute, RouteContract, StickyBy } from "../../shared/protocol/model-route.ts";
import { nodeLabel } from "../../shared/protocol/pool-node.ts";
import { priorityClass } from "../../shared/protocol/priority.ts";
import { decodeRawRequest } from "../../shared/protocol/raw-request.ts";
import { checkInputs, selectOutputs } from "../../shared/protocol/signature.ts";
import type { InferenceRequest, ModelSignature } from "../../shared/protocol/tensor.ts";
import { predictionKey } from "../cache/prediction-key.ts";
import type { Capability, PoolView } from "../pool/pool-view.ts";

import type { Principal } from "./identify.ts";
import type { Decoded } from "./recent-bodies.ts";
import { contractOf, type KnownRoute } from "./route-directory.ts";

/** What a caller asks for beside the model's name. */
export interface RouteAsk {
  /** The version that it pins. */
  readonly pin: string | undefined;
  readonly contract: number | undefined;
  /** The class of hardware that it asks for. */
  readonly hardware: string | undefined;
}

/** @throws WarmgateError `invalid_request` */
export function readRouteAsk(headers: Headers, versionInPath: string | undefined): RouteAsk {
  const pin = headers.get(VERSION_PIN) ?? undefined;
  if (pin !== undefined && !isModelVersion(pin)) throw invalid(VERSION_PIN, "a model version, a whole number from 1");
  if (pin !== undefined && versionInPath !== undefined && pin !== versionInPath) {
    throw new WarmgateError("invalid_request", `the URL names version ${versionInPath}, ${VERSION_PIN} another one`);
  }
  const contract = headers.get(CONTRACT) ?? undefined;
  if (contract !== undefined && !/^[1-9]\d{0,2}$/.test(contract))
    throw invalid(CONTRACT, "a whole number from 1 to 999");
  const hardware = headers.get(HARDWARE) ?? undefined;
  if (hardware !== undefined && !nodeLabel.safeParse(hardware).success) {
    throw invalid(HARDWARE, "a class of hardware: lower-case letters, digits and -");
  }
  return {
    pin: versionInPath ?? pin,
    contract: contract === undefined ? undefined : Number(contract),
    hardware,
  };
}

/** What a request is to be answered by. */
export interface Routed {
  /** The model's name in the pool. */
  readonly model: string;
  /** The version to be asked for; undefined lets the node choose, which then knows more than the edge. */
  readonly version: string | undefined;
  /** Undefined where no node is known to have any version of it. */
  readonly choice: VersionChoice | undefined;
  /** Undefined where no node is known to have it. */
  readonly capability: Capability | undefined;
  readonly hardware: string | null;
  readonly route: ModelRoute | undefined;
  /** What the answer has to keep; undefined without a route, and for who pins a version and so takes it as it is. */
  readonly contract: RouteContract | undefined;
  /** The request; as typed tensors wherever the edge can tell what its bytes mean. */
  readonly decoded: Decoded;
}

/** @throws WarmgateError `contract_not_found`, and where there is a contract what of the request does not keep it */
export async function route(
  name: string,
  ask: RouteAsk,
  { route: known }: KnownRoute,
  view: PoolView,
  decoded: Decoded,
  { tenant, plan, kid }: Pick<Principal, "tenant" | "plan" | "kid">,
  headers: Headers,
): Promise<Routed> {
  if (!known) return unrouted(name, ask, view, decoded);
  const contract = contractOf(known, ask.contract);
  if (!contract) throw unknownContract(name, known);
  const { model } = known;
  const request = typed(decoded, contract.signature);
  if (request.kind === "tensors" && ask.pin === undefined) {
    checkInputs(contract.signature, request.request.inputs);
    selectOutputs(contract.signature, request.request.outputs);
  }
  const byInputs =
    request.kind === "tensors" && dependsOnInputs(contract) ? await inputsDigest(request.request) : tenant;
  const keyOf = (by: StickyBy) => {
    if (by === "tenant") return tenant;
    if (by === "credential") return kid;
    return (by === "input" ? null : headers.get(by.slice("header:".length))) ?? byInputs;
  };
  const choice = chooseVersion(contract, {
    ...{ route: name, pin: ask.pin, tenant, plan, keyOf },
    priority: priorityClass(request.kind === "tensors" ? request.request.parameters : {}),
    has: (version) => view.capability(model, version) !== undefined,
  });
  return {
    ...{ model, version: choice?.version, choice, route: known, decoded: request },
    capability: choice && view.capability(model, choice.version),
    hardware: ask.hardware ?? choice?.hardware ?? null,
    contract: ask.pin === undefined ? contract : undefined,
  };
}

/**
 * The refusal of a request for what is not there, whatever its body is; undefined where some node has it, or could have it.
 */
export function missing(
  name: string,
  { pin }: Pick<RouteAsk, "pin">,
  { route: known }: KnownRoute,
  view: PoolView,
): WarmgateError | undefined {
  const model = known?.model ?? name;
  if (view.live.length === 0 || view.capability(model, pin)) return undefined;
  const unknown = `Request for unknown model: '${name}'`;
  if (pin !== undefined && view.capability(model, undefined)) {
    return new WarmgateError("version_not_found", `${unknown} version ${pin} is not found`);
  }
  return known ? undefined : new WarmgateError("model_not_found", `${unknown} is not found`);
}

const NEWEST = { kind: "newest" } as const;
const PIN = { kind: "pin" } as const;

function unrouted(name: string, ask: RouteAsk, view: PoolView, decoded: Decoded): Routed {
  if (ask.contract !== undefined && ask.contract !== 1) {
    throw new WarmgateError("contract_not_found", `model '${name}' has no contract ${ask.contract}`);
  }
  const capability = view.capability(name, ask.pin);
  const { signature, version = ask.pin } = capability?.model ?? {};
  const rule = ask.pin === undefined ? NEWEST : PIN;
  return {
    model: name,
    version,
    choice: version === undefined ? undefined : { version, rule, hardware: null },
    capability,
    hardware: ask.hardware ?? null,
    route: undefined,
    contract: undefined,
    decoded: typed(decoded, signature),
  };
}

function typed(decoded: Decoded, signature: ModelSignature | undefined): Decoded {
  if (decoded.kind === "tensors" || !signature) return decoded;
  try {
    return { kind: "tensors", request: decodeRawRequest(decoded.body, signature.inputs) };
  } catch {
    // The pool says what is wrong, or knows better: the model may be a newer one by now.
    return decoded;
  }
}

/** Names the inputs alone: equal for equal typed inputs in any form. */
function inputsDigest({ inputs }: InferenceRequest): Promise<string> {
  return predictionKey({ scope: "shared", artefact: "", inputs, outputs: [] });
}

export function unknownContract(name: string, { contracts }: ModelRoute): WarmgateError {
  const there = contracts.map(({ contract }) => contract).join(", ");
  return new WarmgateError("contract_not_found", `model '${name}' has the contracts ${there} only`);
}

function invalid(header: string, what: string): WarmgateError {
  return new WarmgateError("invalid_request", `${header} must be ${what}`);
}
