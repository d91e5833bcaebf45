/** What a pool says of a version that it serves. */
import { Refused } from "../admin/failure.ts";
import { withSuggestion } from "./control.ts";
import type { PoolClient } from "./pool-client.ts";
import {
  type ConfigReply,
  configReply,
  type MetadataReply,
  metadataReply,
  type StatisticsReply,
  statisticsReply,
} from "./pool-replies.ts";

export interface ServedVersion {
  readonly version: string;
  readonly metadata: MetadataReply;
  readonly config: ConfigReply;
  readonly statistics: StatisticsReply | undefined;
}

/**
 * @param wanted the highest that is ready unless given
 * @throws Refused, with the nearest name where the pool has no such model
 */
export async function askServed(client: PoolClient, name: string, wanted: string | undefined): Promise<ServedVersion> {
  const { metadata, version } = await askMetadata(client, name, wanted);
  const path = [...pathOf(name), "versions", version];
  const config = await client.ask(configReply, { path: [...path, "config"] });
  const { model_stats: statistics } = await client.ask(statisticsReply, { path: [...path, "stats"] });
  return { version, metadata, config, statistics: statistics[0] };
}

/** The signature alone. @throws as {@link askServed} */
export async function askMetadata(
  client: PoolClient,
  name: string,
  wanted: string | undefined,
): Promise<{ readonly metadata: MetadataReply; readonly version: string }> {
  const path = wanted === undefined ? pathOf(name) : [...pathOf(name), "versions", wanted];
  try {
    const metadata = await client.ask(metadataReply, { path });
    // Without a version the highest that is ready answers, and versions are told in their order.
    const version = wanted ?? metadata.versions.at(-1);
    if (version === undefined)
      throw new Refused(`no version of ${name} is ready`, "model_not_ready", undefined, undefined);
    return { metadata, version };
  } catch (error) {
    throw await withSuggestion(error, name, client);
  }
}

function pathOf(name: string): readonly string[] {
  return ["v2", "models", name];
}
