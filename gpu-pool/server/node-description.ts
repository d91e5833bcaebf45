import { randomUUID } from "node:crypto";
import type { PoolNode } from "../../shared/protocol/pool-node.ts";
import type { ModelRepository } from "../repository/model-repository.ts";
import type { PredictionScheduler } from "../runtime/served-model.ts";

export interface NodeIdentity {
  readonly node: string;
  readonly device: string;
  readonly hardware: string;
  readonly provider: string;
}

/** What this process says of itself to whoever sends it requests (`shared/protocol/pool-node.ts`). */
export class NodeDescription {
  readonly #identity: NodeIdentity;
  readonly #repository: ModelRepository;
  readonly #scheduler: PredictionScheduler;
  readonly #process = randomUUID();
  #sequence = 0;

  constructor(identity: NodeIdentity, repository: ModelRepository, scheduler: PredictionScheduler) {
    this.#identity = identity;
    this.#repository = repository;
    this.#scheduler = scheduler;
  }

  describe(draining: boolean): PoolNode {
    const { waitMs, admissionLevel, slots } = this.#scheduler.load;
    return {
      ...this.#identity,
      process: this.#process,
      sequence: ++this.#sequence,
      ready: this.#repository.ready && !draining,
      models: this.#repository.served().map(({ identity, maxBatch, signature }) => ({
        name: identity.name,
        version: identity.version,
        digest: identity.digest,
        deterministic: identity.deterministic,
        maxBatch,
        signature: {
          inputs: signature.inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: [...shape] })),
          outputs: signature.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: [...shape] })),
        },
      })),
      load: { waitMs, admissionLevel, slots },
    };
  }
}
