/** Why a request would be answered as it would, in words. */
import { formatNumber } from "./number-text.ts";
import type { ExplanationReply } from "./route-replies.ts";
import { formatMeasured } from "./share-text.ts";
import { properties, table } from "./table.ts";

type Version = NonNullable<ExplanationReply["version"]>;
type Node = NonNullable<ExplanationReply["node"]>;
type Pair = readonly [name: string, value: string];

/** Why the cache is not asked, as `Cache-Status` has it. */
const BYPASSES: readonly (readonly [detail: string, words: string])[] = [
  ["not-deterministic", "the model is not declared deterministic"],
  ["unknown-model", "no node is known to have the model"],
  ["parameters", "the request has parameters that may change the answer"],
  ["input", "the inputs are not what the model takes"],
];

export function describeExplanation(explanation: ExplanationReply): string {
  const { version, node, cache, limits, shed, fallback = [] } = explanation;
  const waits = Object.entries(node?.predicted_wait_ms ?? {});
  const about = properties([
    ["route", routeText(explanation)],
    ...(version ? versionPairs(version) : []),
    ...nodePairs(node),
    ["cache", cacheText(cache.status)],
    ["cache key", cache.key ?? ""],
    ["shed", shedText(shed)],
    ["falls back", fallback.join(" -> ")],
  ]);
  const waitRows = table(
    [
      { title: "CHOSEN FROM", cell: ([name]) => name },
      { title: "PREDICTED WAIT MS", numeric: true, cell: ([, ms]) => formatMeasured(ms) },
    ],
    waits,
  );
  const limitRows = table(
    [
      { title: "LIMIT", cell: ({ kind }) => kind },
      { title: "OF", cell: ({ account }) => account },
      { title: "QUOTA", numeric: true, cell: ({ quota }) => formatNumber(quota) },
      { title: "REMAINING", numeric: true, cell: ({ remaining }) => formatNumber(remaining) },
    ],
    limits,
  );
  return [about, ...(waits.length === 0 ? [] : [waitRows]), ...(limits.length === 0 ? [] : [limitRows])].join("\n\n");
}

function routeText({ route }: ExplanationReply): string {
  if (!route) return "none of that name";
  const contract = route.contract === null ? "no contract to keep" : `contract ${route.contract}`;
  return `${route.name}, ${contract}, revision ${route.revision}`;
}

function versionPairs({ model, version, rule, artefact, available }: Version): readonly Pair[] {
  return [
    ["model", model],
    ["version", version === null ? "the node's choice" : version],
    ["why", versionReason(rule)],
    ["artefact", artefact ?? ""],
    ["available", available.join(" ")],
  ];
}

function versionReason(rule: Version["rule"]): string {
  if (!rule) return "no node is known to have the model";
  switch (rule.kind) {
    case "pin":
      return "the caller pins it";
    case "newest":
      return "it is the newest, and no route says otherwise";
    case "rule":
      return `rule ${rule.rule ?? ""} of the route is for this request`;
    case "experiment":
      return `the request is in arm ${rule.arm ?? ""} of the experiment ${rule.experiment ?? ""}`;
    case "split":
      return "it is the request's share of the split";
    default:
      return rule.kind;
  }
}

function nodePairs(node: Node | null): readonly Pair[] {
  if (!node) return [["node", "any: none is known to have the version, and one may know better"]];
  return [
    ["node", node.chosen],
    ["why", nodeReason(node)],
    ["hardware", `${node.hardware} with ${node.provider}, asked for: ${node.asked ?? "any"}`],
    ["have it", `${formatNumber(node.capable)} node${node.capable === 1 ? "" : "s"}`],
    ["tenant's own", node.shard.join(" ")],
    ["ejected", node.ejected.join(" ")],
  ];
}

function nodeReason({ predicted_wait_ms: waits, beyond_shard: beyond }: Node): string {
  const from = Object.keys(waits).length;
  const reason = from <= 1 ? "the only one that can be asked" : "the shorter predicted wait of two, taken at random";
  return beyond ? `${reason}; none of the tenant's own is well` : reason;
}

/** @param status as `Cache-Status` has it (RFC 9211) */
function cacheText(status: string | null): string {
  if (status === null) return "not asked";
  if (status.includes("; hit")) return `the answer is there (${status})`;
  if (status.includes("fwd=miss")) return `the answer is not there (${status})`;
  const bypass = BYPASSES.find(([detail]) => status.includes(`fwd=bypass; detail=${detail}`));
  return bypass ? `not asked: ${bypass[1]}` : status;
}

function shedText(shed: ExplanationReply["shed"]): string {
  if (!shed) return "not by the edge; the node would decide when it is asked";
  const why = shed.code ?? shed.reason;
  return `${shed.decision} by the ${shed.by}${why === undefined ? "" : ` (${why})`}`;
}
