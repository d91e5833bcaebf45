/** All that is known of the pool at a moment, as isolates read it: what many nodes have in common stands in it once. */
import { z } from "zod";
import { type KnownNode, type NodeModel, nodeModelSchema, nodeStatusSchema } from "./pool-node.ts";

const snapshotNodeSchema = nodeStatusSchema.extend({
  ...{ url: z.string(), seenAt: z.number(), live: z.boolean(), left: z.boolean() },
  /** Places in the list of models. */
  models: z.array(z.int().min(0)),
});

export const directorySnapshotSchema = z.object({
  /** Milliseconds since 1970. */
  takenAt: z.number(),
  models: z.array(nodeModelSchema),
  nodes: z.array(snapshotNodeSchema),
});
export type DirectorySnapshot = z.infer<typeof directorySnapshotSchema>;

export function snapshotOf(nodes: readonly KnownNode[], takenAt: number): DirectorySnapshot {
  const models: NodeModel[] = [];
  const places = new Map<string, number[]>();
  const known = new Map<string, number>();
  const placesOf = ({ catalogue, models: own }: KnownNode): number[] => {
    const before = places.get(catalogue);
    if (before) return before;
    const found = own.map((model) => {
      const text = JSON.stringify(model);
      const place = known.get(text) ?? models.push(model) - 1;
      known.set(text, place);
      return place;
    });
    places.set(catalogue, found);
    return found;
  };
  return { takenAt, nodes: nodes.map((node) => ({ ...node, models: placesOf(node) })), models };
}

export function nodesOf({ nodes, models }: DirectorySnapshot): KnownNode[] {
  const lists = new Map<string, NodeModel[]>();
  return nodes.map((node) => {
    // Nodes of one catalogue share one list, so that what is made of it is made once.
    const list = lists.get(node.catalogue) ?? node.models.flatMap((place) => models[place] ?? []);
    lists.set(node.catalogue, list);
    return { ...node, models: list };
  });
}
