/** The serving process's hold on a process that artefacts are tried in. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { type ProbeReport, type ProbeRequest, probeReplySchema } from "./probe-messages.ts";

const GONE_MS = 1_000;

export type Stage = "loading" | "running";

/** How trying one artefact ended. */
export type ProbeEnding =
  | { readonly kind: "passed"; readonly report: ProbeReport }
  | { readonly kind: "failed"; readonly reason: string }
  /** The process is gone. */
  | { readonly kind: "died"; readonly stage: Stage; readonly how: string }
  /** It had to be killed, as the time was up. */
  | { readonly kind: "late"; readonly stage: Stage };

/** What of the environment a process needs to run a model. Keys and credentials are not for a stranger's file to find. */
const NEEDED =
  /^(PATH|HOME|LANG|LC_.*|TZ|TMPDIR|TEMP|TMP|SYSTEMROOT|LD_LIBRARY_PATH|DYLD_.*|(CUDA|NVIDIA|ORT|OMP|TRT)_.*)$/i;

export class ProbeProcess {
  readonly #child: ChildProcess;
  /** How the process ended; set once everything that it said has been heard. */
  #ended:
    | { readonly kind: "died"; readonly how: string }
    | { readonly kind: "failed"; readonly reason: string }
    | undefined;
  #onEnd: (() => void) | undefined;
  #lastId = 0;

  constructor() {
    const environment = Object.entries(process.env).filter(([name]) => NEEDED.test(name));
    this.#child = fork(new URL("./probe-child.ts", import.meta.url), [], {
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      env: Object.fromEntries(environment),
      // Not this process's debugger or limits.
      execArgv: [],
      // Tensors go to it as they are.
      serialization: "advanced",
    });
    // It must not keep this process alive; it ends with it.
    this.#child.unref();
    this.#child.channel?.unref();
    let how: string | undefined;
    let silent = false;
    const ended = () => {
      if (how === undefined || !silent) return;
      this.#ended = { kind: "died", how };
      this.#onEnd?.();
    };
    this.#child.once("exit", (code, signal) => {
      how = signal ?? `exit code ${code}`;
      ended();
    });
    // Comes after the last message.
    this.#child.once("disconnect", () => {
      silent = true;
      ended();
    });
    this.#child.once("error", (error) => {
      this.#ended ??= { kind: "failed", reason: `no process to try it in could be started: ${error.message}` };
      this.#onEnd?.();
    });
  }

  /** How many artefacts it has been given. */
  get given(): number {
    return this.#lastId;
  }

  get alive(): boolean {
    const { killed, exitCode, signalCode } = this.#child;
    return this.#ended === undefined && !killed && exitCode === null && signalCode === null;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Kills it and waits until it has gone; for a second at most, as one that waits for a driver cannot even be killed. */
  async end(): Promise<void> {
    this.kill();
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null || this.#ended) return;
    this.#child.ref();
    await once(this.#child, "exit", { signal: AbortSignal.timeout(GONE_MS) }).catch(() => undefined);
  }

  /** Tries one artefact; the one before must have ended. The process is gone afterwards unless it passed or failed. */
  probe(request: Omit<ProbeRequest, "id">, limitMs: number): Promise<ProbeEnding> {
    const id = ++this.#lastId;
    let stage: Stage = "loading";
    const { promise, resolve } = Promise.withResolvers<ProbeEnding>();
    const onMessage = (message: unknown) => {
      const parsed = probeReplySchema.safeParse(message);
      if (!parsed.success) resolve({ kind: "failed", reason: "what it says of itself cannot be read" });
      else if (parsed.data.id !== id) return;
      else if (parsed.data.kind === "loaded") stage = "running";
      else resolve(parsed.data);
    };
    const timer = setTimeout(() => {
      resolve({ kind: "late", stage });
      this.kill();
    }, limitMs);
    this.#onEnd = () => {
      const ended = this.#ended;
      if (ended) resolve(ended.kind === "died" ? { ...ended, stage } : ended);
    };
    this.#child.on("message", onMessage);
    if (this.#ended) this.#onEnd();
    // A process that is on its way out cannot be written to; how it ended is told all the same.
    else if (this.#child.connected) this.#child.send({ ...request, id }, () => undefined);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#onEnd = undefined;
      this.#child.off("message", onMessage);
    });
  }
}
