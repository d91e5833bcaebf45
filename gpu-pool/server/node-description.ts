import { createHash, randomUUID } from "node:crypto";
import type { NodeModel, NodeStatus, PoolNode } from "../../shared/protocol/pool-node.ts";
import type { ServedModel } from "../runtime/served-model.ts";
import type { DeviceLoad } from "../scheduler/device-scheduler.ts";

export interface NodeIdentity {
  readonly node: string;
  readonly device: string;
  readonly hardware: string;
  readonly provider: string;
  /** When the process started, in milliseconds since 1970. */
  readonly startedAt: number;
}

export type DescribedModel = Pick<ServedModel, "identity" | "maxBatch" | "signature">;

/** Which models are ready; the same objects as long as they are the same models. */
export interface DescribedRepository {
  readonly ready: boolean;
  served(): readonly DescribedModel[];
}

/** What models are said to be, kept as long as the repository serves the same ones. */
interface Description {
  readonly of: readonly DescribedModel[];
  readonly models: NodeModel[];
  readonly catalogue: string;
}

/** What this process says of itself to whoever sends it requests (`shared/protocol/pool-node.ts`). */
export class NodeDescription {
  readonly #identity: NodeIdentity;
  readonly #repository: DescribedRepository;
  readonly #scheduler: { readonly load: DeviceLoad };
  readonly #process = randomUUID();
  #described = describeModels([]);
  #sequence = 0;

  constructor(identity: NodeIdentity, repository: DescribedRepository, scheduler: { readonly load: DeviceLoad }) {
    this.#identity = identity;
    this.#repository = repository;
    this.#scheduler = scheduler;
  }

  /** Names the models that are ready: processes that serve the same have the same, in whichever order they were loaded. */
  get catalogue(): string {
    return this.#description.catalogue;
  }

  /** A new word each time it is called: its `sequence` is higher than those of all before it. */
  status(draining: boolean): NodeStatus {
    const { waitMs, admissionLevel, slots } = this.#scheduler.load;
    return {
      ...this.#identity,
      process: this.#process,
      sequence: ++this.#sequence,
      ready: this.#repository.ready && !draining,
      catalogue: this.catalogue,
      load: { waitMs, admissionLevel: Math.ceil(admissionLevel), slots },
    };
  }

  /** The status with the models, by name and version. */
  describe(draining: boolean): PoolNode {
    return { ...this.status(draining), models: this.#description.models };
  }

  get #description(): Description {
    const served = this.#repository.served();
    const { of } = this.#described;
    const same = served.length === of.length && served.every((model, index) => model === of[index]);
    if (!same) this.#described = describeModels(served);
    return this.#described;
  }
}

function describeModels(served: readonly DescribedModel[]): Description {
  const models = served.map(describeModel).sort(byNameAndVersion);
  // Their keys are always written in the order below, so equal lists are equal texts.
  const digest = createHash("sha256").update(JSON.stringify(models)).digest("hex");
  return { of: served, models, catalogue: digest.slice(0, 32) };
}

function describeModel({ identity, maxBatch, signature }: DescribedModel): NodeModel {
  return {
    name: identity.name,
    version: identity.version,
    digest: identity.digest,
    deterministic: identity.deterministic,
    maxBatch,
    signature: {
      inputs: signature.inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: [...shape] })),
      outputs: signature.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: [...shape] })),
    },
  };
}

function byNameAndVersion(a: NodeModel, b: NodeModel): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return Number(a.version) - Number(b.version);
}
