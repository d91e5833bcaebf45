import { type Command, defineCommand } from "./command.ts";
import { formatDuration } from "./duration-text.ts";
import { Refused } from "./failure.ts";
import { labelName } from "./names.ts";
import { formatNumber } from "./number-text.ts";
import { listOf } from "./replies.ts";
import { type NodeReply, nodeReply } from "./route-replies.ts";
import { properties, table } from "./table.ts";

const nodes = listOf(nodeReply);
const NODES = { path: ["nodes"] };
/** From then on minutes tell enough. */
const SECONDS_SHOWN = 100;
const DIGEST_SHOWN = 16;

const ls = defineCommand({
  summary: "the pool's nodes, the dead of the last hour included",
  operands: [],
  options: {},
  example: "warmgate nodes ls",
  async run({ ask, show: print, surroundings }) {
    const found = await ask(nodes, NODES);
    print(found, () =>
      table<NodeReply>(
        [
          { title: "NODE", cell: ({ node }) => node },
          { title: "URL", cell: ({ url }) => url },
          { title: "HARDWARE", cell: ({ hardware }) => hardware },
          { title: "PROVIDER", cell: ({ provider }) => provider },
          { title: "STATE", cell: stateText },
          { title: "WAIT MS", numeric: true, cell: ({ waitMs }) => formatNumber(waitMs) },
          { title: "MODELS", numeric: true, cell: ({ models }) => String(models.length) },
          { title: "SEEN", numeric: true, cell: ({ seenAt }) => agoText(seenAt, surroundings.now()) },
        ],
        found.items,
      ),
    );
  },
});

const show = defineCommand({
  summary: "a node and the model versions that it has",
  operands: ["node"],
  options: {},
  example: "warmgate nodes show pool-1",
  async run({ operand, ask, show: print, surroundings }) {
    const name = labelName(operand("node"), "<node>");
    const found = (await ask(nodes, NODES)).items.find(({ node }) => node === name);
    if (!found) throw new Refused(`there is no node ${name}`, "not_found", undefined, "warmgate nodes ls lists them.");
    print(found, () => describeNode(found, surroundings.now()));
  },
});

export const NODE_COMMANDS: Readonly<Record<string, Command>> = { ls, show };

function describeNode(node: NodeReply, now: number): string {
  const about = properties([
    ["node", node.node],
    ["url", node.url],
    ["device", node.device],
    ["hardware", node.hardware],
    ["provider", node.provider],
    ["state", stateText(node)],
    ["wait", `${formatNumber(node.waitMs)} ms`],
    ["seen", agoText(node.seenAt, now)],
  ]);
  const models = table(
    [
      { title: "MODEL", cell: ({ name }) => name },
      { title: "VERSION", cell: ({ version }) => version },
      { title: "DIGEST", cell: ({ digest }) => digest.slice(0, DIGEST_SHOWN) },
      { title: "BREAKER", cell: ({ name }) => breakerText(node, name) },
    ],
    node.models,
  );
  return `${about}\n\n${models}`;
}

function stateText({ live, ready, left, ejected }: NodeReply): string {
  if (left) return "left";
  if (!live) return ready === false ? "not ready" : "dead";
  return ejected ? "ejected" : "live";
}

function breakerText({ breakers = [] }: NodeReply, name: string): string {
  const breaker = breakers.find(({ model }) => model === name);
  if (!breaker) return "closed";
  const wait = breaker.retryAfterMs > 0 ? `, asked again in ${Math.ceil(breaker.retryAfterMs / 1000)}s` : "";
  return `${breaker.state.replace("_", " ")}${wait}`;
}

/** @param now by this machine's clock, which may be behind the server's */
function agoText(at: number, now: number): string {
  const seconds = Math.max(0, Math.floor((now - at) / 1000));
  return `${formatDuration(seconds < SECONDS_SHOWN ? seconds : Math.floor(seconds / 60) * 60)} ago`;
}
