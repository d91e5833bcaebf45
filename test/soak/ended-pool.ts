/**
 * A pool whose serving process is ended again and again, always on the same ports, and what became of it each time.
 *
 * Worst case: a supervisor that does not bring back a process is given up after a minute, with what it has written.
 */
import { rmSync } from "node:fs";
import { mkdtemp, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SLOW_IDENTITY, slowIdentity, slowIdentityFolder } from "../faults/pieces/slow-identity.ts";
import { call } from "../support/inference-call.ts";
import { linkModels, type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { until } from "../support/until.ts";
import { keptPorts } from "./kept-ports.ts";
import type { KillEvidence } from "./kill-report.ts";
import { ALLOWED_MS, type EndingSignal, type PlannedEnd } from "./kill-schedule.ts";
import type { Outage } from "./outages.ts";
import { childrenOf, processesWith, strays } from "./pool-processes.ts";

export interface Return {
  readonly signal: EndingSignal;
  /** From the signal to the next process's being ready. */
  readonly tookMs: number;
}

const LAYERS = 40;
export const ALIVE_LIMIT_MS = 800;
const DRAIN_MS = 2_000;
const LONGEST_LOAD_MS = 30_000;
/** Of the models at hand, those that clients ask beside the one that is reloaded. */
export const KEPT_MODELS: ReadonlySet<string> = new Set(["identity_fp32", "identity_string"]);
/** What is on its way out has that long. */
const GONE_MS = 10_000;

export class EndedPool {
  readonly pool: PoolProcess;
  /** From the start of the supervisor until the first process was ready, in milliseconds. */
  readonly firstStartMs: number;
  readonly #outages: Outage[] = [];
  readonly #returns: Return[] = [];
  /** How often a model was to be reloaded. */
  reloads = 0;
  readonly #brokenReloads: string[] = [];
  readonly #folder: string;
  readonly #temporary: string;
  readonly #ended = new Set<number>();
  readonly #loads: Promise<void>[] = [];
  /** By how much all that is planned comes later, as returns have taken longer than was planned for. */
  #lateMs = 0;

  private constructor(pool: PoolProcess, firstStartMs: number, folder: string, temporary: string) {
    this.pool = pool;
    this.firstStartMs = firstStartMs;
    this.#folder = folder;
    this.#temporary = temporary;
  }

  static async start(): Promise<EndedPool> {
    const { path: folder } = slowIdentityFolder(LAYERS);
    linkModels(folder, ...[...KEPT_MODELS].map((name) => join(TEST_MODELS.basic, name)));
    const temporary = await mkdtemp(join(tmpdir(), "warmgate-ended-"));
    const [port = 0, opsPort = 0] = await keptPorts(2);
    const limits = ["--alive-limit-ms", String(ALIVE_LIMIT_MS), "--drain-ms", String(DRAIN_MS)];
    const startedAt = performance.now();
    const pool = await startPool({
      models: [folder],
      // The last one counts.
      arguments: ["--port", String(port), "--ops-port", String(opsPort), ...limits],
      // By which whatever it starts can be told from all else on this machine.
      environment: { TMPDIR: temporary },
    });
    return new EndedPool(pool, performance.now() - startedAt, folder, temporary);
  }

  get supervisor(): number {
    const { pid } = this.pool.child;
    if (pid === undefined) throw new Error("the supervisor could not be started");
    return pid;
  }

  /** How often a process has been ended. */
  get ends(): number {
    return this.#ended.size;
  }

  /** Carries out one of a schedule that began at `startedAt`. @returns when a process is ready again */
  async carryOut({ at, signal, reloadMs, next }: PlannedEnd, startedAt: number): Promise<void> {
    const dueAt = startedAt + at + this.#lateMs;
    await delay(Math.max(0, dueAt - performance.now()));
    if (reloadMs !== undefined) {
      this.#loads.push(this.#reload());
      await delay(reloadMs);
    }
    const { pid } = this.pool.serving;
    const from = this.#end(pid, signal);
    if (next?.whenIt === "starts") {
      const child = await until("the next process to be started", () =>
        childrenOf(this.supervisor).find((other) => !this.#ended.has(other)),
      );
      await delay(next.afterMs);
      await this.#back(from, next.signal, this.#end(child, next.signal));
    } else {
      await this.#back(from, signal, from);
      if (next) {
        await delay(next.afterMs);
        const again = this.#end(this.pool.serving.pid, next.signal);
        await this.#back(again, next.signal, again);
      }
    }
    this.#lateMs += Math.max(0, performance.now() - dueAt - ALLOWED_MS);
  }

  /** Resolves when each reload has been answered, or will not be any more. */
  async reloadsEnded(): Promise<void> {
    await Promise.all(this.#loads);
  }

  /** Waits for what is on its way out. @returns processes that should not be there, in words */
  async left(): Promise<string[]> {
    const giveUpAt = performance.now() + GONE_MS;
    for (;;) {
      const found = this.#found();
      if (found.length === 0 || performance.now() > giveUpAt) return found;
      await delay(50);
    }
  }

  /** What there was of ends and returns, and what was wrong with them. */
  account(): Pick<KillEvidence, "outages" | "returns" | "firstStartMs" | "wrong"> {
    const deaths = this.pool.output.match(/"msg":"serving process died"/g)?.length ?? 0;
    const wrong = [...this.#brokenReloads];
    if (deaths !== this.ends) wrong.push(`${this.ends} processes were ended, and ${deaths} have died`);
    return { outages: this.#outages, returns: this.#returns, firstStartMs: this.firstStartMs, wrong };
  }

  async stop(): Promise<void> {
    await this.pool.stop();
  }

  /** Stops it unless that was done, and removes its files. */
  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
    rmSync(this.#temporary, { recursive: true, force: true });
  }

  #found(): string[] {
    const there = processesWith("TMPDIR", this.#temporary);
    const isUp = there.some(({ pid }) => pid === this.supervisor);
    const serving = there.filter(({ parent }) => parent === this.supervisor).map(({ pid }) => pid);
    const second = serving.filter((pid) => pid !== this.pool.serving.pid);
    return [
      ...strays(there, this.supervisor).map(({ pid, command }) => `process ${pid} belongs to nobody: ${command}`),
      ...(isUp ? second.map((pid) => `process ${pid} serves beside the one that does`) : []),
    ];
  }

  #end(pid: number, signal: EndingSignal): number {
    const now = performance.now();
    process.kill(pid, signal);
    this.#ended.add(pid);
    return now;
  }

  async #back(from: number, signal: EndingSignal, endedAt: number): Promise<void> {
    await until(`a process to be ready after ${signal}`, () => {
      if (this.pool.failure !== undefined) throw new Error(`the supervisor gave up: ${this.pool.failure}`);
      return !this.#ended.has(this.pool.serving.pid);
    }).catch((cause: unknown) => {
      throw new Error(`no process is back after ${signal}; the pool has written:\n${this.pool.output}`, { cause });
    });
    const to = performance.now();
    this.#outages.push({ from, to });
    this.#returns.push({ signal, tookMs: to - endedAt });
  }

  /** The same answers from other bytes, which have to be tried anew. */
  async #reload(): Promise<void> {
    const file = join(this.#folder, SLOW_IDENTITY.name, "1", "model.onnx");
    await writeFile(`${file}.part`, slowIdentity(LAYERS + ++this.reloads));
    await rename(`${file}.part`, file);
    const url = `${this.pool.url}/v2/repository/models/${SLOW_IDENTITY.name}/load`;
    try {
      const { status, body } = await call(url, {
        ...{ method: "POST", body: "{}", signal: AbortSignal.timeout(LONGEST_LOAD_MS) },
      });
      if (status !== 200 && status !== 503) this.#brokenReloads.push(`a reload was answered ${status}: ${body}`);
    } catch (error) {
      // `fetch` throws a TypeError when the connection ends, as it does when the process is ended.
      if (!(error instanceof TypeError)) this.#brokenReloads.push(`a reload was left hanging: ${String(error)}`);
    }
  }
}
