import { readCredentials } from "../../../gpu-pool/repository/sources/credentials.ts";
import { parseModelSource } from "../../../gpu-pool/repository/sources/model-source.ts";
import {
  asSourceError,
  type SourceError,
  type SourceReason,
} from "../../../gpu-pool/repository/sources/source-error.ts";
import { type SyncFailure, type SyncProgress, sync } from "../../../gpu-pool/repository/sources/sync.ts";
import { Refused, Unreachable } from "../admin/failure.ts";
import { parseSize } from "../admin/size-text.ts";
import { table } from "../admin/table.ts";
import { UsageError } from "../usage-error.ts";
import { memoryText } from "./measure-text.ts";
import { defineModelCommand } from "./model-command.ts";

/** As a pool has it by default, in bytes. */
const USUAL_ROOM = 50 * 1024 ** 3;
const MOST_ROOM = 2 ** 50;
const SILENT: ReadonlySet<SourceReason> = new Set(["unreachable", "timeout", "failing"]);

export const FETCH = defineModelCommand({
  summary: "bring the models of an https:// server or an s3:// bucket into a folder of their own, whole and checked",
  operands: ["url", "folder"],
  options: { "max-size": { value: "<size>", about: "what the folder may take, as 20000MiB (51200MiB)" } },
  example: "warmgate models fetch 's3://models/prod?region=eu-central-1' models",
  async run({ operands: [url = "", folder = ""], given, terminal, show }) {
    const size = given.one("max-size");
    const maxBytes = size === undefined ? USUAL_ROOM : parseSize(size, "--max-size", 1024, MOST_ROOM);
    const { source, credentials } = readSource(url, terminal.variables);
    // Interrupted, the process ends, and the next sync goes on with what had come.
    const { signal } = new AbortController();
    const log = { info: () => undefined, warn: () => undefined };
    const progress = (told: SyncProgress) => terminal.progress?.(progressText(told));
    terminal.progress?.(`asking ${source.label}`);
    const synced = await sync(source, folder, { credentials, maxBytes, signal, log, progress }).catch(
      (error: unknown) => {
        throw failureOf(asSourceError(error));
      },
    );
    terminal.progress?.(undefined);
    const models = [...synced.held.keys()].sort();
    const failures = synced.failures.map(({ model, version, error: { reason, message } }) => ({
      ...{ model, version, reason, message },
    }));
    show({ source: source.label, models, changed: synced.changed, failures }, () => {
      const what = synced.changed.length === 0 ? "Nothing is new" : `New or changed: ${synced.changed.join(", ")}`;
      return [`${what}. In ${folder}: ${models.join(", ") || "nothing"}.`, ...failureLines(synced.failures)].join(
        "\n\n",
      );
    });
    return failures.length === 0 ? 0 : 1;
  },
});

/** @throws UsageError; its text shows no credential */
function readSource(url: string, variables: Readonly<Record<string, string | undefined>>) {
  try {
    const source = parseModelSource(url);
    if (source.kind === "folder") throw new UsageError("<url> is https://..., or s3://bucket/prefix.");
    return { source, credentials: readCredentials(source, variables) };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(asSourceError(error).message);
  }
}

function failureOf(error: SourceError): Refused | Unreachable {
  const { message, reason } = error;
  return SILENT.has(reason) ? new Unreachable(message) : new Refused(message, reason, undefined, undefined);
}

function progressText({ model, receivedBytes, totalBytes }: SyncProgress): string {
  const share = totalBytes === 0 ? 100 : Math.floor((receivedBytes / totalBytes) * 100);
  return `${share}%, ${memoryText(receivedBytes)} of ${memoryText(totalBytes)}: ${model}`;
}

function failureLines(failures: readonly SyncFailure[]): string[] {
  if (failures.length === 0) return [];
  const columns = [
    { title: "MODEL", cell: ({ model }: SyncFailure) => model },
    { title: "VERSION", cell: ({ version = "" }: SyncFailure) => version },
    { title: "REASON", cell: ({ error }: SyncFailure) => error.reason },
    { title: "TEXT", cell: ({ error }: SyncFailure) => error.message },
  ];
  return [table(columns, failures)];
}
