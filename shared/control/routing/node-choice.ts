/** What is known here of a node's load. */
export interface NodeLoad {
  /** What a request would have waited there when the node last spoke, in milliseconds. */
  readonly waitMs: number;
  /** Device time that one request is expected to take, in milliseconds. */
  readonly runMs: number;
  /** Requests that its device runs at the same time; 1 at least. */
  readonly slots: number;
  /** Requests sent from here that are not answered yet. */
  readonly outstanding: number;
}

/**
 * How long a request sent now would wait, in milliseconds. A node's word is up to a second old, and until the next one
 * all requests would go to the node that had the least; so what was sent from here counts on top. What the node had
 * counted of it already counts twice, which errs towards nodes that owe nothing here.
 */
export function predictedWaitMs({ waitMs, runMs, slots, outstanding }: NodeLoad): number {
  return waitMs + (outstanding * runMs) / slots;
}

/**
 * The power of two choices (M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001): of two
 * nodes drawn at random the one with the lesser wait, or the first drawn when they are equal. The fullest of n nodes is
 * then O(log log n) above the average, and those who decide by the same old word don't all choose the same node, as
 * they would by the least wait of all.
 *
 * Looks at two nodes, however many there are. The one that is worse than all others is never chosen.
 *
 * @param random from 0 to below 1
 * @returns undefined when there are no nodes
 */
export function chooseOfTwo<Node>(
  nodes: readonly Node[],
  waitOf: (node: Node) => number,
  random: () => number,
): Node | undefined {
  if (nodes.length < 2) return nodes[0];
  const firstAt = Math.floor(random() * nodes.length);
  const among = Math.floor(random() * (nodes.length - 1));
  // Stepping over the first keeps the second's draw even among the others.
  const secondAt = among < firstAt ? among : among + 1;
  const [first, second] = [nodes[firstAt], nodes[secondAt]];
  if (first === undefined || second === undefined) return first;
  return waitOf(second) < waitOf(first) ? second : first;
}
