import { checkContract } from "../../../shared/protocol/contract-check.ts";
import type { ModelSignature } from "../../../shared/protocol/tensor.ts";
import { describeCheck } from "./contract-check.ts";
import { readContract } from "./contract-file.ts";
import { DEVICE_OPTIONS, parseDevice } from "./device-options.ts";
import { examineEnsemble } from "./ensemble-on-disk.ts";
import { examine } from "./examine.ts";
import { defineModelCommand, EXIT_BREAKING, type Terminal } from "./model-command.ts";
import { findOnDisk, parseSubject, type Subject } from "./model-subject.ts";
import { OfflineLoader } from "./offline-loader.ts";
import type { PoolClient } from "./pool-client.ts";
import { askMetadata } from "./served-version.ts";

export const DIFF = defineModelCommand({
  summary: "whether callers of one version can be served by another: on disk, in a pool, or in a .json file",
  operands: ["from[@version]", "to[@version]"],
  options: DEVICE_OPTIONS,
  example: "warmgate models diff digits@1 my-models/digits@3 --json",
  async run({ operands: [from = "", to = ""], given, pool, terminal, show }) {
    const subjects = [parseSubject(from), parseSubject(to)] as const;
    const loader = new OfflineLoader(parseDevice(given));
    try {
      const contract = await signatureOf(subjects[0], loader, pool, terminal);
      const version = await signatureOf(subjects[1], loader, pool, terminal);
      const check = checkContract(contract, version);
      show(check, () => describeCheck(check));
      return check.compatible ? 0 : EXIT_BREAKING;
    } finally {
      loader.close();
    }
  },
});

/** What callers of a version see, in the same words whether it is served or on disk. */
async function signatureOf(
  subject: Subject,
  loader: OfflineLoader,
  pool: () => PoolClient,
  { progress }: Terminal,
): Promise<ModelSignature> {
  if (subject.at === "contract") return readContract(subject.file);
  if (subject.at === "pool") return (await askMetadata(pool(), subject.name, subject.version)).metadata;
  const found = await findOnDisk(subject.path, subject.version);
  const ensemble = await examineEnsemble(found, loader, progress);
  if (ensemble) return ensemble.signature;
  return (await examine(found, loader, progress)).loaded.signature;
}
