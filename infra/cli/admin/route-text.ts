/** A model route in words. */
import { formatDuration } from "./duration-text.ts";
import { fallbackRulesText, fallbackText } from "./fallback-text.ts";
import type { ContractReply, RouteReply, StoredRouteReply } from "./route-replies.ts";
import { conditionsText } from "./rule-text.ts";
import { formatPart, formatShare } from "./share-text.ts";
import { type Column, properties, table, timeText } from "./table.ts";
import { type WeightedVersion, weightsText } from "./weight-text.ts";

type Tensors = ContractReply["signature"]["inputs"];
interface ListedContract {
  readonly stored: StoredRouteReply;
  readonly contract: ContractReply;
}

/** A line a contract. */
export function listRoutes(routes: readonly StoredRouteReply[]): string {
  return table<ListedContract>(
    [
      { title: "ROUTE", cell: ({ stored }) => stored.route.name },
      { title: "CONTRACT", numeric: true, cell: ({ contract }) => String(contract.contract) },
      { title: "MODEL", cell: ({ stored }) => stored.route.model },
      { title: "SPLIT", cell: ({ contract }) => weightsText(contract.split.versions) },
      { title: "RULES", numeric: true, cell: ({ contract }) => String(contract.rules.length || "") },
      { title: "EXPERIMENT", cell: ({ contract }) => contract.experiment?.name ?? "" },
      {
        title: "SHADOW",
        cell: ({ contract: { shadow } }) => (shadow ? `${shadow.version}=${formatShare(shadow.share)}` : ""),
      },
      { title: "ROLLOUT", cell: ({ stored, contract }) => rolloutText(stored.route, contract) },
      { title: "REVISION", numeric: true, cell: ({ stored }) => String(stored.revision) },
    ],
    routes.flatMap((stored) => stored.route.contracts.map((contract) => ({ stored, contract }))),
  );
}

export function describeRoute({ route, revision }: StoredRouteReply): string {
  const { name, model, cache, contracts } = route;
  const about = properties([
    ["route", name],
    ["model", model],
    [
      "cache",
      `${cache.scope === "shared" ? "shared by all tenants" : `by ${cache.scope}`}, ${formatDuration(cache.ttlSeconds)}`,
    ],
    ["revision", String(revision)],
  ]);
  return [about, ...contracts.map((contract) => describeContract(route, contract))].join("\n\n");
}

function describeContract(route: RouteReply, contract: ContractReply): string {
  const { signature, split, rules, experiment, hardware, shadow, fallback = [] } = contract;
  const fallbackRules = fallbackRulesText(fallback);
  const about = properties([
    ["contract", String(contract.contract)],
    ["inputs", tensorsText(signature.inputs)],
    ["outputs", tensorsText(signature.outputs)],
    ["sticky", `by ${split.sticky}`],
    ["hardware", hardware ?? "any"],
    ["experiment", experiment ? `${experiment.name}, sticky by ${experiment.sticky}` : ""],
    ["shadow", shadow ? `version ${shadow.version}, of ${formatShare(shadow.share)} of the requests` : ""],
    ["fallback", fallbackText(fallback)],
    ["deprecation", deprecationText(contract)],
    ["rollout", rolloutSentence(route, contract)],
  ]);
  return [
    about,
    table(weightColumns(split.versions), split.versions),
    ...(rules.length === 0 ? [] : [describeRules(rules)]),
    ...(experiment
      ? [table([{ title: "ARM", cell: ({ name }) => name }, ...weightColumns(experiment.arms)], experiment.arms)]
      : []),
    ...(fallbackRules === undefined ? [] : [fallbackRules]),
  ].join("\n\n");
}

/** @param all what the weights are shares of */
function weightColumns(all: readonly WeightedVersion[]): readonly Column<WeightedVersion>[] {
  const sum = all.reduce((total, { weight }) => total + weight, 0);
  return [
    { title: "VERSION", cell: ({ version }) => version },
    { title: "WEIGHT", numeric: true, cell: ({ weight }) => String(weight) },
    { title: "SHARE", numeric: true, cell: ({ weight }) => formatPart(weight, sum) },
  ];
}

function describeRules(rules: ContractReply["rules"]): string {
  return table(
    [
      { title: "RULE", numeric: true, cell: ({ place }) => String(place) },
      { title: "FOR", cell: ({ rule }) => conditionsText(rule) },
      { title: "VERSION", cell: ({ rule }) => rule.version },
      { title: "HARDWARE", cell: ({ rule }) => rule.hardware ?? "" },
    ],
    rules.map((rule, index) => ({ rule, place: index + 1 })),
  );
}

/** `pixels FP32[-1,64]` each. */
function tensorsText(tensors: Tensors): string {
  return tensors.map(({ name, datatype, shape }) => `${name} ${datatype}[${shape.join(",")}]`).join(", ");
}

function deprecationText({ deprecation }: ContractReply): string {
  if (!deprecation) return "";
  const { at, sunset, link } = deprecation;
  return [
    `from ${timeText(at)} on`,
    ...(sunset === null ? [] : [`ends ${timeText(sunset)}`]),
    ...(link === null ? [] : [link]),
  ].join(", ");
}

/** The one that moves this contract's split now; empty where none does. */
function rolloutText({ rollout }: RouteReply, { contract }: ContractReply): string {
  return rollout?.contract === contract ? `${rollout.stable} -> ${rollout.candidate}` : "";
}

function rolloutSentence(route: RouteReply, contract: ContractReply): string {
  const text = rolloutText(route, contract);
  const share = route.rollout?.shadowShare ?? 0;
  return text === "" || share === 0 ? text : `${text}, shadows of ${formatShare(share)} of the requests`;
}
