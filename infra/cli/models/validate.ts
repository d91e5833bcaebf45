import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { isLaidOutAsEnsemble, type ModelFiles, scanRepository } from "../../../gpu-pool/repository/layout.ts";
import { readModelJson } from "../../../gpu-pool/repository/model-json.ts";
import { planVersions } from "../../../gpu-pool/repository/version-policy.ts";
import { asWarmgateError } from "../../../shared/protocol/errors.ts";
import { table } from "../admin/table.ts";
import { UsageError } from "../usage-error.ts";
import { DEVICE_OPTIONS, parseDevice } from "./device-options.ts";
import { type Fault, reasonsIn } from "./fault.ts";
import { hasModelJson, modelFolderFaults, repositoryFaults } from "./layout-faults.ts";
import { defineModelCommand } from "./model-command.ts";
import { fileAlone, modelFolder } from "./model-subject.ts";
import { OfflineLoader } from "./offline-loader.ts";
import { ensembleFaults, type Validation, versionFaults } from "./version-faults.ts";

interface Found {
  readonly models: readonly ModelFiles[];
  /** Of the layout. */
  readonly faults: readonly Fault[];
}

export const VALIDATE = defineModelCommand({
  summary: "everything that would be wrong when a pool loads folders: the models in them, or one model's own",
  operands: ["folder"],
  repeatable: true,
  options: DEVICE_OPTIONS,
  example: "warmgate models validate my-models",
  async run({ operands: folders, given, terminal, show }) {
    const loader = new OfflineLoader(parseDevice(given));
    const faults: Fault[] = [];
    const validated = new Map<string, string>();
    try {
      for (const folder of folders) {
        const found = await find(folder);
        faults.push(...found.faults);
        for (const model of found.models) {
          const earlier = validated.get(model.name);
          if (earlier === undefined) validated.set(model.name, folder);
          else faults.push(layoutFault(model.name, `the one in ${folder} is passed over: there is one in ${earlier}`));
          faults.push(...(await modelFaults(model, folders, { loader, progress: terminal.progress })));
        }
      }
    } finally {
      loader.close();
      terminal.progress?.(undefined);
    }
    const models = [...validated.keys()];
    show({ valid: faults.length === 0, models, faults }, () => describeFaults(models, faults));
    return faults.length === 0 ? 0 : 1;
  },
});

/** @throws UsageError when nothing is there, or it cannot be read */
async function find(operand: string): Promise<Found> {
  const path = resolve(operand);
  const status = await stat(path).catch(() => undefined);
  if (!status) throw new UsageError(`There is no folder ${operand}.`);
  if (status.isFile()) {
    if (operand.endsWith(".onnx")) return { models: [fileAlone(path)], faults: [] };
    throw new UsageError(`${operand} is neither a folder nor a .onnx file.`);
  }
  try {
    const model = await modelFolder(path);
    if (model) return { models: [model], faults: await modelFolderFaults(path) };
    if (await hasModelJson(path)) return { models: [], faults: await modelFolderFaults(path) };
    const models = [...(await scanRepository([path])).values()];
    const faults = await repositoryFaults(path);
    // Whoever had nothing checked should not believe that all is well.
    if (models.length === 0 && faults.length === 0) faults.push(layoutFault("", `there is no model in ${operand}`));
    return { models, faults };
  } catch (error) {
    throw new UsageError(`${operand} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** @param folders where the members of an ensemble are looked for that are not beside it */
async function modelFaults(
  model: ModelFiles,
  folders: readonly string[],
  validation: Validation,
): Promise<readonly Fault[]> {
  const { name } = model;
  if (model.fault !== undefined) return [layoutFault(name, model.fault)];
  const faults: Fault[] = [];
  const settingsFault = (reason: string) =>
    faults.push({ model: name, version: undefined, check: "model.json", reason });
  const settings = await readModelJson(model.modelJson).catch((error: unknown) => {
    for (const reason of reasonsIn(asWarmgateError(error).message)) settingsFault(reason);
    return undefined;
  });
  const there = [...model.versions.keys()];
  const policy = settings?.versionPolicy ?? "all";
  if (typeof policy === "object" && "specific" in policy) {
    for (const version of policy.specific) {
      if (!there.includes(version)) settingsFault(`versionPolicy: version ${version} is not there`);
    }
  }
  const { candidates, most } = planVersions(policy, there);
  if (settings?.ensemble || isLaidOutAsEnsemble(model)) {
    for (const version of settings ? candidates.slice(0, most) : []) {
      faults.push(...(await ensembleFaults({ model, version }, folders, validation)));
    }
    return faults;
  }
  const values = settings ?? (await readModelJson(undefined));
  for (const version of candidates.slice(0, most)) {
    faults.push(...(await versionFaults({ model, version }, { values, usable: settings !== undefined }, validation)));
  }
  return faults;
}

function layoutFault(model: string, reason: string): Fault {
  return { model, version: undefined, check: "layout", reason };
}

function describeFaults(models: readonly string[], faults: readonly Fault[]): string {
  if (faults.length === 0) return `Nothing is wrong: ${models.join(", ")}.`;
  return table(
    [
      { title: "MODEL", cell: ({ model }) => model },
      { title: "VERSION", cell: ({ version = "" }) => version },
      { title: "CHECK", cell: ({ check }) => check },
      { title: "FAULT", cell: ({ reason }) => reason },
    ],
    faults,
  );
}
