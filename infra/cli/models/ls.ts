import { table } from "../admin/table.ts";
import { batchText, digestText, memoryText } from "./measure-text.ts";
import { defineModelCommand } from "./model-command.ts";
import { ALL_STATISTICS, INDEX, indexReply, memoryOf, NODE, nodeReply, statisticsReply } from "./pool-replies.ts";

interface ListedVersion {
  readonly name: string;
  readonly version: string;
  readonly state: string;
  /** Why it is not ready, if it is not. */
  readonly reason: string;
  /** From here on only of versions that are ready. */
  readonly device?: string | undefined;
  readonly provider?: string | undefined;
  readonly maxBatch?: number | undefined;
  readonly memoryBytes?: number | undefined;
  readonly digest?: string | undefined;
}

export const LS = defineModelCommand({
  summary: "all versions in a pool, with their state and the reason where one is not ready",
  operands: [],
  options: {},
  example: "warmgate models ls --url http://10.0.0.1:8000",
  async run({ pool, show }) {
    const client = pool();
    const index = await client.ask(indexReply, INDEX);
    const { device, provider, models } = await client.ask(nodeReply, NODE);
    const { model_stats: statistics } = await client.ask(statisticsReply, ALL_STATISTICS);
    const versions = index.map(({ name, version, state, reason }): ListedVersion => {
      const isIt = (other: { name: string; version: string }) => other.name === name && other.version === version;
      const ready = models.find(isIt);
      if (!ready) return { name, version, state, reason };
      const figures = statistics.find(isIt);
      const memoryBytes = figures && memoryOf(figures);
      const { maxBatch, digest } = ready;
      return { name, version, state, reason, device, provider, maxBatch, memoryBytes, digest };
    });
    show({ versions }, () => describeList(versions));
    return 0;
  },
});

function describeList(versions: readonly ListedVersion[]): string {
  return table(
    [
      { title: "MODEL", cell: ({ name }) => name },
      { title: "VERSION", cell: ({ version }) => version },
      { title: "STATE", cell: ({ state }) => state },
      { title: "DEVICE", cell: ({ device = "" }) => device },
      { title: "PROVIDER", cell: ({ provider = "" }) => provider },
      { title: "MAX BATCH", numeric: true, cell: ({ maxBatch }) => batchText(maxBatch) },
      { title: "MEMORY", numeric: true, cell: ({ memoryBytes }) => memoryText(memoryBytes) },
      { title: "DIGEST", cell: ({ digest }) => digestText(digest) },
      { title: "REASON", cell: ({ reason }) => reason },
    ],
    versions,
  );
}
