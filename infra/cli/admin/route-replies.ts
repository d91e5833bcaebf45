/** The admin API's replies about model routes, the pool's nodes and dry runs, as far as the command line reads them (`replies.ts`). */
import { z } from "zod";
import { DATATYPES } from "../../../shared/protocol/datatype.ts";
import { DIFFERENCE_KINDS } from "../../../shared/protocol/signature-difference.ts";
import { instant } from "./replies.ts";

const label = z.string().nullable();
const tensor = z.looseObject({ name: z.string(), datatype: z.string(), shape: z.array(z.number()) });
const weightedVersion = z.looseObject({ version: z.string(), weight: z.number() });
const deprecation = z.looseObject({ at: instant, sunset: instant.nullable(), link: label });
const rule = z.looseObject({
  when: z.looseObject({
    tenants: z.array(z.string()).optional(),
    plans: z.array(z.string()).optional(),
    priorities: z.array(z.string()).optional(),
  }),
  version: z.string(),
  hardware: label,
});
const outputRule = z.looseObject({
  constant: z.unknown().optional(),
  values: z.array(z.unknown()).optional(),
  expression: z.string().optional(),
});
const fallbackStep = z.looseObject({
  kind: z.string(),
  version: z.string().optional(),
  outputs: z.record(z.string(), outputRule).optional(),
});
export type FallbackStepReply = z.infer<typeof fallbackStep>;
const contract = z.looseObject({
  contract: z.int(),
  signature: z.looseObject({ inputs: z.array(tensor), outputs: z.array(tensor) }),
  split: z.looseObject({ sticky: z.string(), versions: z.array(weightedVersion) }),
  rules: z.array(rule),
  experiment: z
    .looseObject({
      name: z.string(),
      sticky: z.string(),
      arms: z.array(z.looseObject({ ...weightedVersion.shape, name: z.string() })),
    })
    .nullable(),
  hardware: label,
  shadow: z.looseObject({ version: z.string(), share: z.number() }).nullable(),
  fallback: z.array(fallbackStep).optional(),
  deprecation: deprecation.nullable(),
});
export type ContractReply = z.infer<typeof contract>;

const route = z.looseObject({
  name: z.string(),
  model: z.string(),
  contracts: z.array(contract),
  cache: z.looseObject({ scope: z.string(), ttlSeconds: z.int() }),
  rollout: z
    .looseObject({ contract: z.int(), stable: z.string(), candidate: z.string(), shadowShare: z.number() })
    .nullable(),
});
export type RouteReply = z.infer<typeof route>;
const form = z.looseObject({ datatype: z.enum(DATATYPES), shape: z.array(z.int()) }).nullable();
/** Its differences have the fields of `ContractDifference`. */
export const versionCheckReply = z.looseObject({
  ...{ route: z.string(), contract: z.int(), model: z.string(), version: z.string(), compatible: z.boolean() },
  differences: z.array(
    z.looseObject({
      kind: z.enum(DIFFERENCE_KINDS),
      side: z.enum(["input", "output"]),
      ...{ tensor: z.string(), from: form, to: form, breaking: z.boolean() },
    }),
  ),
});

export const storedRouteReply = z.looseObject({ route, revision: z.int() });
export type StoredRouteReply = z.infer<typeof storedRouteReply>;

export const nodeReply = z.looseObject({
  node: z.string(),
  url: z.string(),
  device: z.string(),
  hardware: z.string(),
  provider: z.string(),
  live: z.boolean(),
  ready: z.boolean().optional(),
  left: z.boolean(),
  ejected: z.boolean(),
  seenAt: z.number().min(0).max(8.64e15),
  waitMs: z.number(),
  models: z.array(z.looseObject({ name: z.string(), version: z.string(), digest: z.string() })),
  breakers: z.array(z.looseObject({ model: z.string(), state: z.string(), retryAfterMs: z.number() })).optional(),
});
export type NodeReply = z.infer<typeof nodeReply>;

export const explanationReply = z.looseObject({
  route: z.looseObject({ name: z.string(), revision: z.int(), contract: z.int().nullable() }).nullable(),
  version: z
    .looseObject({
      model: z.string(),
      version: label,
      rule: z
        .looseObject({
          kind: z.string(),
          rule: z.int().optional(),
          experiment: z.string().optional(),
          arm: z.string().optional(),
        })
        .nullable(),
      artefact: label,
      available: z.array(z.string()),
    })
    .nullable(),
  node: z
    .looseObject({
      chosen: z.string(),
      hardware: z.string(),
      provider: z.string(),
      asked: label,
      capable: z.int(),
      beyond_shard: z.boolean(),
      shard: z.array(z.string()),
      ejected: z.array(z.string()),
      predicted_wait_ms: z.record(z.string(), z.number()),
    })
    .nullable(),
  cache: z.looseObject({ key: label, status: label }),
  limits: z.array(z.looseObject({ kind: z.string(), account: z.string(), quota: z.number(), remaining: z.number() })),
  shed: z
    .looseObject({ decision: z.string(), by: z.string(), code: z.string().optional(), reason: z.string().optional() })
    .nullable(),
  fallback: z.array(z.string()).optional(),
});
export type ExplanationReply = z.infer<typeof explanationReply>;
