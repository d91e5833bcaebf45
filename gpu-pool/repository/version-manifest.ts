/**
 * `manifest.json` in a version's folder: what the version is made of, written by whoever put it there.
 *
 *     { "files": { "model.onnx": { "sha256": "9f86d081...", "size": 2954 } } }
 *
 * It is optional. Where it is, the version is served only if every file is as it says and there are no others: a copy that
 * is not complete yet, or was damaged on its way, is told from a whole one.
 */
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { z } from "zod";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { FileContent } from "./artefact.ts";

const LARGEST_BYTES = 1024 ** 2;

const manifestSchema = z.object({
  files: z.record(
    z.string(),
    z.object({
      sha256: z.string().regex(/^[0-9a-f]{64}$/, "must be 64 hex digits in lower case"),
      size: z.int().min(0),
    }),
  ),
});
export type VersionManifest = z.infer<typeof manifestSchema>;

/** @throws WarmgateError `model_rejected` */
export async function readVersionManifest(file: string): Promise<VersionManifest> {
  let content: unknown;
  try {
    if ((await stat(file)).size > LARGEST_BYTES) throw new Error("too large");
    content = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new WarmgateError("model_rejected", "manifest.json cannot be read as JSON", { cause });
  }
  const parsed = manifestSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".") || "it"}: ${issue.message}`);
  throw new WarmgateError("model_rejected", `manifest.json is not valid: ${faults.slice(0, 5).join("; ")}`);
}

/**
 * Holds sizes against a manifest, which costs nothing, before anything is read.
 *
 * @throws WarmgateError `model_rejected`
 */
export async function checkSizes({ files: listed }: VersionManifest, files: readonly string[]): Promise<void> {
  const names = files.map((file) => basename(file));
  const missing = Object.keys(listed).find((name) => !names.includes(name));
  if (missing !== undefined) throw notAsListed(`'${missing}' is not there`);
  for (const [index, file] of files.entries()) {
    const name = names[index] ?? "";
    const entry = Object.hasOwn(listed, name) ? listed[name] : undefined;
    if (!entry) throw notAsListed(`'${name}' is not in it`);
    const { size } = await stat(file);
    if (size !== entry.size) throw notAsListed(`'${name}' has ${size} bytes instead of ${entry.size}`);
  }
}

/** @throws WarmgateError `model_rejected` */
export function checkContents({ files: listed }: VersionManifest, contents: readonly FileContent[]): void {
  for (const { name, size, sha256 } of contents) {
    const entry = Object.hasOwn(listed, name) ? listed[name] : undefined;
    if (entry?.size !== size || entry.sha256 !== Buffer.from(sha256).toString("hex")) {
      throw notAsListed(`'${name}' has another content`);
    }
  }
}

function notAsListed(what: string): WarmgateError {
  return new WarmgateError("model_rejected", `the version is not what its manifest.json says: ${what}`);
}
