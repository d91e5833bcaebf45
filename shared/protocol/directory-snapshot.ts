/**
 * All that is known of the pool at a moment, as isolates read it once a second. Without the models: they are most of the bytes, seldom
 * change, and a catalogue is named by its content, so whoever has it once has it for good.
 */
import { z } from "zod";
import { type KnownNode, type NodeModel, nodeModelSchema, nodeStatusSchema } from "./pool-node.ts";

const snapshotNodeSchema = nodeStatusSchema.extend({
  ...{ url: z.string(), seenAt: z.number(), live: z.boolean(), left: z.boolean() },
});

export const directorySnapshotSchema = z.object({
  /** Milliseconds since 1970. */
  takenAt: z.number(),
  nodes: z.array(snapshotNodeSchema),
});
export type DirectorySnapshot = z.infer<typeof directorySnapshotSchema>;

export const catalogueSchema = z.array(nodeModelSchema);

/** Models by the name of their list. */
export type Catalogues = ReadonlyMap<string, readonly NodeModel[]>;

export function snapshotOf(nodes: Iterable<KnownNode>, takenAt: number): DirectorySnapshot {
  return { takenAt, nodes: Array.from(nodes, ({ models: _, ...node }) => node) };
}

/** The nodes with their models; one whose models are not known has none, and so is asked for nothing. */
export function nodesOf({ nodes }: DirectorySnapshot, catalogues: Catalogues): KnownNode[] {
  return nodes.map((node) => ({ ...node, models: catalogues.get(node.catalogue) ?? [] }));
}
