/**
 * Artefacts that brought down the serving process that loaded them: the next one leaves them out, so that one model which
 * passes the probe and then hangs in its warm-up, or crashes what loads it, does not keep the good ones from serving.
 *
 *     const quarantine = new Quarantine();
 *     quarantine.began(artefact);                               // the serving process says what it is about to load
 *     quarantine.died({ signal: "SIGSEGV", culprit: undefined });
 *     quarantine.entries;                                       // for the next process
 *
 * Promises: what is left out is named by its digest, so a file that changes is tried again; so is what is loaded by name. A
 * death that a signal from outside may have brought (SIGKILL: the system was short of memory, somebody killed it) is blamed
 * on an artefact only if it was being loaded `STRIKES` times in a row.
 *
 * Worst case: a process that crashes for another reason while it loads a good model leaves that out, and its entry in the
 * index says so. Beyond `MOST` artefacts nothing more is left out, and deaths are up to `restart-policy.ts` again.
 */
import type { Culprit, LeftOut, LoadingArtefact } from "./process-messages.ts";

/** Signals that come of native code's own faults. */
const CRASHES = new Set(["SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS"]);
const STRIKES = 3;
const MOST = 64;
const UNTIL = "it is left out until its files change or it is loaded by name";

export interface Death {
  /** "" where it ended by itself. */
  readonly signal: string;
  /** The artefact whose load or run it was, where the process said so before it ended; deaths in service are up to `run-deaths.ts`. */
  readonly culprit: Culprit | undefined;
}

export class Quarantine {
  /** By model and version. */
  readonly #leftOut = new Map<string, LeftOut>();
  readonly #loading = new Map<string, LoadingArtefact>();
  /** Deaths in a row, of what was being loaded at the last one. */
  #strikes: ReadonlyMap<string, number> = new Map();
  #hasLoaded = false;

  get entries(): readonly LeftOut[] {
    return [...this.#leftOut.values()];
  }

  /** The serving process is about to load an artefact: it has left it in, so it is to be judged anew. */
  began(artefact: LoadingArtefact): void {
    this.#leftOut.delete(keyOf(artefact));
    if (this.#loading.size < MOST) this.#loading.set(keyOf(artefact), artefact);
  }

  /** @param loaded whether it serves now; else it was refused, which harms nobody */
  ended(artefact: LoadingArtefact, loaded: boolean): void {
    this.#loading.delete(keyOf(artefact));
    this.#hasLoaded ||= loaded;
  }

  /**
   * The serving process has died.
   *
   * @returns what the next one is to leave out beside what was left out before; and whether that process had loaded
   * something well, so that the next one will serve
   */
  died({ signal, culprit }: Death): { readonly found: readonly LeftOut[]; readonly wasUseful: boolean } {
    const suspects = [...this.#loading.values()];
    const wasUseful = this.#hasLoaded;
    this.#loading.clear();
    this.#hasLoaded = false;
    this.#strikes = new Map(suspects.map((one) => [exactly(one), (this.#strikes.get(exactly(one)) ?? 0) + 1]));
    const found = this.#guilty(suspects, signal, culprit).filter((one) => this.#leaveOut(one));
    return { found, wasUseful };
  }

  #guilty(suspects: readonly LoadingArtefact[], signal: string, culprit: Culprit | undefined): LeftOut[] {
    const blame = ({ model, version, digest }: LoadingArtefact, why: string) => ({
      ...{ model, version, digest },
      reason: `${why}; ${UNTIL}`,
    });
    if (culprit && culprit.during !== "serving") {
      const what = culprit.during === "load" ? "its load" : "a run in its warm-up";
      return [blame(culprit, `${what} did not end, and the serving process had to be replaced`)];
    }
    const [only] = suspects;
    if (only && suspects.length === 1 && CRASHES.has(signal)) {
      return [blame(only, `the serving process died of ${signal} while it was being loaded`)];
    }
    const how = signal === "" ? "" : `, the last time of ${signal}`;
    return suspects
      .filter((one) => (this.#strikes.get(exactly(one)) ?? 0) >= STRIKES)
      .map((one) => blame(one, `the serving process died ${STRIKES} times in a row while it was being loaded${how}`));
  }

  #leaveOut(artefact: LeftOut): boolean {
    if (this.#leftOut.size >= MOST) return false;
    this.#leftOut.set(keyOf(artefact), artefact);
    return true;
  }
}

function keyOf({ model, version }: LoadingArtefact): string {
  return JSON.stringify([model, version]);
}

function exactly({ model, version, digest }: LoadingArtefact): string {
  return JSON.stringify([model, version, digest]);
}
