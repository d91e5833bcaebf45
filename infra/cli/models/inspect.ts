import { formatNumber } from "../admin/number-text.ts";
import { properties, table, timeText } from "../admin/table.ts";
import { UsageError } from "../usage-error.ts";
import { DEVICE_OPTIONS, parseDevice } from "./device-options.ts";
import { type ExaminedEnsemble, examineEnsemble } from "./ensemble-on-disk.ts";
import { type Examined, examine, ownSignature } from "./examine.ts";
import { batchText, digestText, memoryText, millisecondsText } from "./measure-text.ts";
import { defineModelCommand } from "./model-command.ts";
import { findOnDisk, parseSubject } from "./model-subject.ts";
import { type OfflineDevice, OfflineLoader } from "./offline-loader.ts";
import { memoryOf } from "./pool-replies.ts";
import { askServed, type ServedVersion } from "./served-version.ts";
import { describeSignature } from "./signature-text.ts";

export const INSPECT = defineModelCommand({
  summary: "what a model takes, gives and costs: a .onnx file, a model's folder, or the name of one in a pool",
  operands: ["path or name[@version]"],
  options: DEVICE_OPTIONS,
  example: "warmgate models inspect gpu-pool/models/digits@2",
  async run({ operands: [operand = ""], given, pool, terminal, show }) {
    const subject = parseSubject(operand);
    const device = parseDevice(given);
    if (subject.at === "contract") throw new UsageError(`${subject.file} is no model; models diff takes it.`);
    if (subject.at === "pool") {
      const served = await askServed(pool(), subject.name, subject.version);
      show(served, () => describeServed(served));
      return 0;
    }
    const found = await findOnDisk(subject.path, subject.version);
    const loader = new OfflineLoader(device);
    try {
      const ensemble = await examineEnsemble(found, loader, terminal.progress);
      if (ensemble) {
        show({ provider: device.provider, ...ensemble }, () => describeEnsemble(ensemble, device));
        return 0;
      }
      const examined = await examine(found, loader, terminal.progress);
      const inspection = { versions: [...found.model.versions.keys()], provider: device.provider, ...examined };
      show(inspection, () => describeExamined(examined, inspection.versions, device));
    } finally {
      loader.close();
    }
    return 0;
  },
});

function describeExamined(examined: Examined, versions: readonly string[], { provider }: OfflineDevice): string {
  const { name, version, description, digest, probed, loaded, steps } = examined;
  const { irVersion, opsets, memoryBytes, loadMs, runMs } = probed;
  const about = properties([
    ["model", name],
    ["version", versions.length > 1 ? `${version} of ${versions.join(", ")}` : version],
    ["description", description],
    ["digest", digest],
    ["opset", Object.entries(opsets).map(opsetText).join(", ")],
    ["IR version", irVersion === undefined ? "" : String(irVersion)],
    ["provider", provider],
    ["memory", memoryText(memoryBytes)],
    ["load", millisecondsText(loadMs)],
    ["first run", millisecondsText(runMs)],
    ["max batch", batchText(loaded.maxBatch)],
    ...(steps ? [["before", steps.before.join(", ")] as const, ["after", steps.after.join(", ")] as const] : []),
    ...loaded.notes.map((note) => ["note", note] as const),
  ]);
  const own = ownSignature(examined);
  return [
    about,
    describeSignature(loaded.signature),
    ...(own ? [`Behind its pipeline:\n${describeSignature(own)}`] : []),
    ...(loaded.batches.length > 0 ? [describeBatches(loaded.batches)] : []),
  ].join("\n\n");
}

function describeEnsemble(examined: ExaminedEnsemble, { provider }: OfflineDevice): string {
  const { name, version, description, digest, maxBatch, signature, steps } = examined;
  const about = properties([
    ["model", name],
    ["version", version],
    ["description", description],
    ["digest", digest],
    ["provider", provider],
    ["max batch", batchText(maxBatch)],
  ]);
  return `${about}\n\n${describeSignature(signature)}\n\n${describeSteps(steps)}`;
}

/** An ensemble's models, in the order in which they run. */
function describeSteps(steps: ExaminedEnsemble["steps"]): string {
  return table(
    [
      { title: "STEP", cell: ({ model }) => model },
      { title: "VERSION", cell: ({ version }) => version },
      { title: "DIGEST", cell: ({ digest }) => digestText(digest) },
    ],
    steps,
  );
}

function opsetText([domain, version]: readonly [string, number]): string {
  return domain === "" ? String(version) : `${domain} ${version}`;
}

function describeBatches(batches: Examined["loaded"]["batches"]): string {
  return table(
    [
      { title: "BATCH", numeric: true, cell: ({ rows }) => formatNumber(rows) },
      { title: "SHAPE BEHIND", cell: ({ bucket }) => bucket },
      { title: "RUN", numeric: true, cell: ({ ms }) => millisecondsText(ms) },
    ],
    batches,
  );
}

function describeServed({ version, metadata, config, statistics }: ServedVersion): string {
  const steps = config.ensemble_scheduling?.step.map(({ model_name: model, model_version: of, digest }) => ({
    ...{ model, version: String(of), digest },
  }));
  const said = (parameter: string) => config.parameters[parameter]?.string_value ?? "";
  const about = properties([
    ["model", metadata.name],
    ["version", `${version} of ${metadata.versions.join(", ")}`],
    ["description", said("description")],
    ["digest", said("digest")],
    ["provider", said("provider")],
    ["platform", config.platform],
    ...(steps
      ? []
      : [["instances", String(config.instance_group.reduce((sum, { count }) => sum + count, 0))] as const]),
    ["max batch", batchText(config.max_batch_size)],
    ...(statistics ? statisticsOf(statistics) : []),
  ]);
  return [about, describeSignature(metadata), ...(steps ? [describeSteps(steps)] : [])].join("\n\n");
}

function statisticsOf(statistics: NonNullable<ServedVersion["statistics"]>) {
  const { inference_stats: stats, last_inference: last, execution_count: runs, inference_count: rows } = statistics;
  const mean = ({ count, ns }: { count: number; ns: number }) =>
    count === 0 ? "" : millisecondsText(ns / count / 1_000_000);
  return [
    ["memory", memoryText(memoryOf(statistics))],
    ["answered", formatNumber(stats.success.count)],
    ["failed", formatNumber(stats.fail.count)],
    ["rows a run", runs === 0 ? "" : formatNumber(Math.round((rows / runs) * 100) / 100)],
    ["mean wait", mean(stats.queue)],
    ["mean run", mean(stats.compute_infer)],
    ["last request", last === 0 ? "" : timeText(last)],
  ] as const;
}
