/** Versions and what they get, as people write them: `2=10` by weight, the arm `blue=2:50`, the shadow `2=10%`. */
import { UsageError } from "../usage-error.ts";
import { labelName, modelVersion } from "./names.ts";
import { parseDecimal, parseShare } from "./share-text.ts";

export interface WeightedVersion {
  readonly version: string;
  readonly weight: number;
}

export interface Arm extends WeightedVersion {
  readonly name: string;
}

const PAIR = /^([^=]+)=(.+)$/;
const ARM = /^([^=]+)=([^:]+):(.+)$/;
const HEAVIEST = 1e6;
const MOST_VERSIONS = 16;
const FEWEST_ARMS = 2;
const MOST_ARMS = 8;

/** @throws UsageError */
export function parseWeights(texts: readonly string[]): WeightedVersion[] {
  if (texts.length > MOST_VERSIONS) throw new UsageError(`--weight may be given ${MOST_VERSIONS} times.`);
  const versions = texts.map((text) => {
    const [, version = "", weight = ""] = PAIR.exec(text) ?? [];
    if (version === "") throw new UsageError(`--weight is <version>=<weight> such as 2=10, not '${text}'.`);
    return { version: modelVersion(version, "--weight"), weight: parseDecimal(weight, "--weight", 0, HEAVIEST) };
  });
  checkWeights("--weight", versions, ({ version }) => version);
  return versions;
}

/** @throws UsageError */
export function parseArms(texts: readonly string[]): Arm[] {
  if (texts.length < FEWEST_ARMS || texts.length > MOST_ARMS) {
    throw new UsageError(`--experiment needs ${FEWEST_ARMS} to ${MOST_ARMS} arms: --arm <name>=<version>:<weight>.`);
  }
  const arms = texts.map((text) => {
    const [, name = "", version = "", weight = ""] = ARM.exec(text) ?? [];
    if (name === "") throw new UsageError(`--arm is <name>=<version>:<weight> such as new=2:50, not '${text}'.`);
    return {
      name: labelName(name, "--arm"),
      version: modelVersion(version, "--arm"),
      weight: parseDecimal(weight, "--arm", 0, HEAVIEST),
    };
  });
  checkWeights("--arm", arms, ({ name }) => name);
  return arms;
}

/** @throws UsageError */
export function parseShadow(text: string): { readonly version: string; readonly share: number } {
  const [, version = "", given = ""] = PAIR.exec(text) ?? [];
  if (version === "") throw new UsageError(`--shadow is <version>=<share> such as 2=10%, not '${text}'.`);
  const share = parseShare(given, "--shadow", 0, 1);
  if (share === 0)
    throw new UsageError("--shadow with a share of 0 compares nothing; --no-shadow takes a shadow away.");
  return { version: modelVersion(version, "--shadow"), share };
}

/** As `--weight` takes it: `1=90 2=10`. */
export function weightsText(versions: readonly WeightedVersion[]): string {
  return versions.map(({ version, weight }) => `${version}=${weight}`).join(" ");
}

function checkWeights<Target extends WeightedVersion>(
  option: string,
  targets: readonly Target[],
  nameOf: (target: Target) => string,
): void {
  const names = targets.map(nameOf);
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw new UsageError(`${option}: ${repeated} has two weights.`);
  if (targets.length > 0 && targets.every(({ weight }) => weight === 0)) {
    throw new UsageError(`${option}: one of them needs a weight above 0.`);
  }
}
