/** Names that were typed, checked before they become part of a URL. */
import { isModelName, isModelVersion } from "../../../shared/protocol/model-name.ts";
import { nodeLabel } from "../../../shared/protocol/pool-node.ts";
import { PRIORITY_CLASSES, type PriorityClass } from "../../../shared/protocol/priority.ts";
import { PLAN_ID, TENANT_ID } from "../../../shared/protocol/tenant.ts";
import { UsageError } from "../usage-error.ts";
import { nearestName } from "./nearest-name.ts";

const KEY_ID = /^[0-9A-Za-z]{10}$/;

/** @throws UsageError */
export function tenantName(text: string): string {
  if (TENANT_ID.test(text)) return text;
  throw new UsageError(`A tenant's name is lower-case letters, digits and -, at most 63, not '${text}'.`);
}

/** @throws UsageError */
export function planName(text: string): string {
  if (PLAN_ID.test(text)) return text;
  throw new UsageError(`A plan's name is lower-case letters, digits and -, at most 63, not '${text}'.`);
}

/** @throws UsageError; the text of a whole key is not repeated */
export function keyId(text: string): string {
  if (KEY_ID.test(text)) return text;
  throw new UsageError(
    text.startsWith("wg_")
      ? "Name a key by its id, the part between the second and the third _; never put a whole key on a command line."
      : `A key's id is 10 letters and digits, not '${text}'; warmgate keys ls <tenant> lists them.`,
  );
}

/** @throws UsageError */
export function modelName(text: string): string {
  if (isModelName(text)) return text;
  throw new UsageError(`A model's name is letters, digits, ., _ and -, at most 64, not '${text}'.`);
}

/** @throws UsageError */
export function routeName(text: string): string {
  if (isModelName(text)) return text;
  throw new UsageError(`A route's name is letters, digits, ., _ and -, at most 64, not '${text}'.`);
}

/** @param option that it was given to @throws UsageError */
export function modelVersion(text: string, option: string): string {
  if (isModelVersion(text)) return text;
  throw new UsageError(`${option}: a model version is a whole number from 1, not '${text}'.`);
}

/** Of a node, a class of hardware, an experiment or an arm of it. @param option that it was given to @throws UsageError */
export function labelName(text: string, option: string): string {
  if (nodeLabel.safeParse(text).success) return text;
  throw new UsageError(`${option}: a name is lower-case letters, digits and -, at most 63, not '${text}'.`);
}

/** @param option that it was given to @throws UsageError */
export function priorityName(text: string, option: string): PriorityClass {
  const found = PRIORITY_CLASSES.find((name) => name === text);
  if (found !== undefined) return found;
  const nearest = nearestName(text, PRIORITY_CLASSES);
  const meant = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
  throw new UsageError(`${option}: a priority is ${PRIORITY_CLASSES.join(", ")}, not '${text}'.${meant}`);
}
