/**
 * A cycle in a directed graph: the nodes on the way, the first one again at the end.
 *
 * @param next for each node, those that its edges lead to
 * @returns undefined when there is none
 */
export function findCycle(next: readonly (readonly number[])[]): readonly number[] | undefined {
  const clear = new Set<number>();
  const way: number[] = [];
  const visit = (node: number): readonly number[] | undefined => {
    const met = way.indexOf(node);
    if (met >= 0) return [...way.slice(met), node];
    if (clear.has(node)) return undefined;
    way.push(node);
    for (const one of next[node] ?? []) {
      const cycle = visit(one);
      if (cycle) return cycle;
    }
    way.pop();
    clear.add(node);
    return undefined;
  };
  for (const node of next.keys()) {
    const cycle = visit(node);
    if (cycle) return cycle;
  }
  return undefined;
}
