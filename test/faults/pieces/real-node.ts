/** A serving process behind a fault proxy, to which whatever a schedule says can be done and undone. */
import type { PoolProcess } from "../../support/pool.ts";
import type { FaultProxy } from "./fault-proxy.ts";
import type { FaultAction, Trouble } from "./fault-schedule.ts";

const SLOW = { kind: "latency", ms: 80, jitterMs: 60, direction: "both" } as const;

export class RealNode {
  readonly name: string;
  readonly proxy: FaultProxy;
  readonly #start: () => Promise<PoolProcess>;
  #pool: PoolProcess;
  #trouble: Trouble | undefined;
  /** Of the serving process, before it was killed. */
  #startsBefore = 0;

  constructor(name: string, proxy: FaultProxy, start: () => Promise<PoolProcess>, pool: PoolProcess) {
    this.name = name;
    this.proxy = proxy;
    this.#start = start;
    this.#pool = pool;
  }

  get pool(): PoolProcess {
    return this.#pool;
  }

  /** SIGKILL to the serving process; its supervisor starts another one. @returns once that one is ready */
  async killAndReturn(): Promise<void> {
    await this.act("kill");
    await this.#isBack();
  }

  /** Ends for good and without a word, and its supervisor with it. */
  async kill(): Promise<void> {
    this.#pool.child.kill("SIGSTOP");
    process.kill(this.#pool.serving.pid, "SIGKILL");
    this.#pool.child.kill("SIGKILL");
    await this.#pool.exit;
  }

  async startAgain(): Promise<void> {
    this.#pool = await this.#start();
  }

  freeze(): void {
    process.kill(this.#pool.serving.pid, "SIGSTOP");
  }

  thaw(): void {
    process.kill(this.#pool.serving.pid, "SIGCONT");
  }

  /** Does what is due; resolves when it is done, which for what ends a trouble is when the node is well again. */
  async act(action: FaultAction): Promise<void> {
    if (action !== "resume" && action !== "heal") this.#trouble = action;
    switch (action) {
      case "kill":
        this.#startsBefore = this.#pool.starts.length;
        process.kill(this.#pool.serving.pid, "SIGKILL");
        return;
      case "terminate":
        await this.#pool.stop();
        return;
      case "pause":
        this.freeze();
        return;
      case "resume":
        this.thaw();
        return;
      case "slow":
        await this.proxy.set(SLOW);
        return;
      case "partition":
        await this.proxy.set({ kind: "blackhole" });
        return;
      case "heal":
        if (this.#trouble === "terminate") await this.startAgain();
        else if (this.#trouble === "kill") await this.#isBack();
        else await this.proxy.clear();
    }
  }

  async #isBack(): Promise<void> {
    await this.#pool.started(this.#startsBefore + 1);
  }
}
