/** Every rule, in the order in which they run: questions first, then harmful requests, then models going and coming. */
import { binaryErrorRules } from "./binary-errors.ts";
import { compressionRules } from "./compression.ts";
import { datatypeRules } from "./datatypes.ts";
import { errorRules } from "./errors.ts";
import { configRules } from "./extensions-config.ts";
import { repositoryRules } from "./extensions-repository.ts";
import { statisticsRules } from "./extensions-statistics.ts";
import { healthRules } from "./health.ts";
import { inferBinaryRules } from "./infer-binary.ts";
import { inferJsonRules } from "./infer-json.ts";
import { limitRules } from "./limits.ts";
import { metadataRules } from "./metadata.ts";
import { rawBinaryRules } from "./raw-binary.ts";
import type { Rule } from "./rule.ts";
import { schedulePolicyRules } from "./schedule-policy.ts";
import { warmgateRules } from "./warmgate-promises.ts";

export const ALL_RULES: readonly Rule[] = [
  ...healthRules,
  ...metadataRules,
  ...inferJsonRules,
  ...inferBinaryRules,
  ...rawBinaryRules,
  ...datatypeRules,
  ...configRules,
  ...statisticsRules,
  ...schedulePolicyRules,
  ...warmgateRules,
  ...compressionRules,
  ...errorRules,
  ...binaryErrorRules,
  ...limitRules,
  ...repositoryRules,
];
