/**
 * What a serving process is loading, which it says before it does: whoever starts the next one learns of it what brought this
 * one down (`quarantine.ts`).
 *
 *     const loading = new Loading({ tell: tellParent, limitMs: 600_000, onHung: (artefact) => startAnew(...) });
 *     const served = await loading.during(artefact, () => loadModel(artefact, ...));
 *
 * Promises: every artefact that is begun is ended, however its load went, unless the process dies in it; a load that does not
 * end is told of once, as what opens a session (a driver, a disk) can hang and cannot be cancelled.
 */
import type { LoadingArtefact, ServingMessage } from "./process-messages.ts";

export interface LoadingOptions {
  readonly tell: (message: ServingMessage) => void;
  /** How long a load may take, in milliseconds; 0: for ever. */
  readonly limitMs: number;
  readonly onHung: (artefact: LoadingArtefact) => void;
}

export class Loading {
  readonly #options: LoadingOptions;
  /** Bounded by the models on disk: loads of one name come one after another. */
  readonly #artefacts = new Set<LoadingArtefact>();

  constructor(options: LoadingOptions) {
    this.#options = options;
  }

  async during<T>({ model, version, digest }: LoadingArtefact, load: () => Promise<T>): Promise<T> {
    const { tell, limitMs, onHung } = this.#options;
    const artefact = { model, version, digest };
    this.#artefacts.add(artefact);
    tell({ kind: "loading", artefact });
    const timer = limitMs > 0 ? setTimeout(() => onHung(artefact), limitMs) : undefined;
    let loaded = false;
    try {
      const result = await load();
      loaded = true;
      return result;
    } finally {
      clearTimeout(timer);
      this.#artefacts.delete(artefact);
      tell({ kind: "load_ended", artefact, loaded });
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
