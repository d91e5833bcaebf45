/**
 * What a serving process is loading, which it says before it does: whoever starts the next one learns of it what brought this
 * one down (`quarantine.ts`).
 *
 *     const loading = new Loading((message) => tellParent(message));
 *     const served = await loading.during(artefact, () => loadModel(artefact, ...));
 *
 * Promises: every artefact that is begun is ended, however its load went, unless the process dies in it.
 */
import type { LoadingArtefact, ServingMessage } from "./process-messages.ts";

export class Loading {
  readonly #tell: (message: ServingMessage) => void;
  /** Bounded by the models on disk: loads of one name come one after another. */
  readonly #artefacts = new Set<LoadingArtefact>();

  constructor(tell: (message: ServingMessage) => void) {
    this.#tell = tell;
  }

  async during<T>({ model, version, digest }: LoadingArtefact, load: () => Promise<T>): Promise<T> {
    const artefact = { model, version, digest };
    this.#artefacts.add(artefact);
    this.#tell({ kind: "loading", artefact });
    let loaded = false;
    try {
      const result = await load();
      loaded = true;
      return result;
    } finally {
      this.#artefacts.delete(artefact);
      this.#tell({ kind: "load_ended", artefact, loaded });
    }
  }

  /** @param runs as `warmUpRunsOf` calls those of an artefact */
  warmingUp(runs: string): LoadingArtefact | undefined {
    return [...this.#artefacts].find((artefact) => warmUpRunsOf(artefact) === runs);
  }
}

/** What the runs of a version are called in the log. */
export function runsOf({ model, version }: Pick<LoadingArtefact, "model" | "version">): string {
  return `model ${model}, version ${version}`;
}

/** As {@link runsOf}, while it is being warmed up: no request waits for them. */
export function warmUpRunsOf(artefact: Pick<LoadingArtefact, "model" | "version">): string {
  return `${runsOf(artefact)}, in its warm-up`;
}
