/**
 * `warmgate-models.json`, by which a server says what models it has:
 *
 *     { "models": { "digits": {
 *         "modelJson": { "path": "digits/model.json", "sha256": "<64 hex digits>", "size": 312 },
 *         "versions": { "1": { "files": { "model.onnx": { "sha256": "<64 hex digits>", "size": 104857 } } } } } } }
 *
 * A version's files are at `<model>/<version>/<file>` beside it; an ensemble's versions have none, its model.json is all. It is what is trusted: whoever writes it decides what the
 * pool runs, and no file that differs from it is taken.
 */
import { z } from "zod";
import { isModelName, isModelVersion } from "../../../shared/protocol/model-name.ts";
import { type Catalogue, isFileName, isFilePath, LIMITS, type RemoteFile, type RemoteModel } from "./catalogue.ts";
import { SourceError } from "./source-error.ts";

export const MANIFEST_NAME = "warmgate-models.json";
/** Longest manifest, in bytes: some 20,000 files. */
export const LONGEST_MANIFEST = 4 * 1024 ** 2;
/** Faults of a manifest that are told one by one. */
const TOLD_FAULTS = 20;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be 64 lower-case hex digits");
/** Not `z.int()`: a fraction would keep zod from telling the faults of what is around it. */
const size = (most: number) => z.number().min(0).max(most).refine(Number.isInteger, "must be a whole number of bytes");

const modelJsonSchema = z.strictObject({
  path: z.string().refine(isFilePath, "must be a path below the manifest's folder, such as digits/model.json"),
  sha256,
  size: size(LIMITS.modelJsonBytes),
});

const fileSchema = z.strictObject({ sha256, size: size(LIMITS.fileBytes) });

const filesSchema = named(fileSchema, isFileName, "is not a name that a file can have", LIMITS.filesPerVersion);

const versionSchema = z.strictObject({
  files: filesSchema.refine((files) => Object.hasOwn(files, "model.onnx") || Object.keys(files).length === 0, {
    error: "must have model.onnx, or nothing for an ensemble",
    when: isObject,
  }),
});

const versionsSchema = named(
  versionSchema,
  isModelVersion,
  "is not a version: whole numbers from 1",
  LIMITS.versionsPerModel,
);

const modelSchema = z
  .strictObject({
    modelJson: modelJsonSchema.nullable(),
    versions: versionsSchema.refine((versions) => Object.keys(versions).length > 0, {
      error: "must have at least one version",
      when: isObject,
    }),
  })
  .refine(
    ({ modelJson, versions }) =>
      modelJson !== null || Object.values(versions).every(({ files }) => Object.keys(files).length > 0),
    "must have a modelJson where a version has no files",
  );

const manifestSchema = z.strictObject({
  models: named(modelSchema, isModelName, "is not a name that a model can have", LIMITS.models),
});

/** @throws SourceError `bad_manifest` naming everything that is wrong with it */
export function parseManifest(text: string): Catalogue {
  const parsed = manifestSchema.safeParse(parseJson(text));
  if (!parsed.success) throw new SourceError("bad_manifest", describeFaults(parsed.error));
  const catalogue = new Map<string, RemoteModel>();
  for (const [model, { modelJson, versions }] of Object.entries(parsed.data.models)) {
    const files = Object.entries(versions).map(([version, content]): [string, ReadonlyMap<string, RemoteFile>] => [
      version,
      filesOf(model, version, content.files),
    ]);
    catalogue.set(model, {
      modelJson: modelJson ? { ...modelJson, etag: undefined } : undefined,
      versions: new Map(files),
    });
  }
  return catalogue;
}

function filesOf(
  model: string,
  version: string,
  files: Readonly<Record<string, z.infer<typeof fileSchema>>>,
): Map<string, RemoteFile> {
  return new Map(
    Object.entries(files).map(([name, file]) => [
      name,
      { ...file, path: `${model}/${version}/${name}`, etag: undefined },
    ]),
  );
}

function parseJson(text: string): unknown {
  let hasPrototype = false;
  try {
    const content: unknown = JSON.parse(text, (key, value: unknown) => {
      hasPrototype ||= key === "__proto__";
      return value;
    });
    // zod would pass over it, and nothing may be passed over here.
    if (!hasPrototype) return content;
  } catch {
    throw new SourceError("bad_manifest", `${MANIFEST_NAME} is not JSON`);
  }
  throw new SourceError("bad_manifest", `${MANIFEST_NAME} has the name __proto__, which nothing can have`);
}

/** A record whose keys are names from outside. */
function named<T extends z.ZodType>(value: T, isName: (text: string) => boolean, fault: string, most: number) {
  return z.record(z.string().refine(isName, fault), value).refine((record) => Object.keys(record).length <= most, {
    error: `must have at most ${most} entries`,
    when: isObject,
  });
}

/** Checks of the whole are made although a part of it is wrong: all faults are told at once. */
function isObject({ value }: { value: unknown }): boolean {
  return typeof value === "object" && value !== null;
}

function describeFaults({ issues }: z.ZodError): string {
  const told = issues.slice(0, TOLD_FAULTS).map((issue) => {
    const place = issue.path.join(".").slice(0, 200) || "it";
    return `${place}: ${issue.code === "invalid_key" ? issue.issues[0]?.message : issue.message}`;
  });
  const untold = issues.length - told.length;
  return `${MANIFEST_NAME} is not valid: ${told.join("; ")}${untold > 0 ? `; and ${untold} more faults` : ""}`;
}
