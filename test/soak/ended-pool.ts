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
import { call, post } from "../support/inference-call.ts";
import { ENDLESS, loopModel, loopRequest, putModel } from "../support/loop-model.ts";
import { linkModels, type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { until } from "../support/until.ts";
import { causesNotTold, linesOf } from "./death-causes.ts";
import { keptPorts } from "./kept-ports.ts";
import type { KillEvidence } from "./kill-report.ts";
import { ALLOWED_MS, type Ending, type PlannedEnd } from "./kill-schedule.ts";
import type { Outage } from "./outages.ts";
import { childrenOf, processesWith, strays } from "./pool-processes.ts";
import { putDigits } from "./reload-under-load.ts";

export interface Return {
  /** From the end to the next process's being ready. */
  readonly tookMs: number;
  /** What of it may have gone by before anybody noticed the end. */
  readonly unnoticedMs: number;
}

const LAYERS = 40;
const ALIVE_LIMIT_MS = 800;
/** A stand-still is noticed its limit and a quarter of it after it began (`gpu-pool/heartbeat.ts`). */
const NOTICED_MS = 1.25 * ALIVE_LIMIT_MS;
const START_LIMIT_MS = 3_000;
const RUN_LIMIT_MS = 1_000;
const DRAIN_MS = 2_000;
/** Of the request that does not end, and how much later than it a busy machine may tell of it. */
const HANG_DEADLINE_MS = 1_000;
const HANG_SLACK_MS = 1_000;
const LONGEST_LOAD_MS = 30_000;
/** Of the models at hand, those that clients ask beside the one that is reloaded. */
export const KEPT_MODELS: ReadonlySet<string> = new Set(["identity_string"]);
/** Nobody asks for it: it is reloaded where the process crashes meanwhile, which has it left out until it is loaded by name. */
const SPARE = "spare";
const CRASHES: ReadonlySet<Ending> = new Set(["SIGSEGV", "SIGABRT"]);
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
  /** What should not have been, in words. */
  readonly #wrong: string[] = [];
  readonly #folder: string;
  readonly #temporary: string;
  readonly #ended = new Map<number, Ending>();
  readonly #asked: Promise<void>[] = [];
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
    putDigits(folder, 2);
    linkModels(folder, ...[...KEPT_MODELS].map((name) => join(TEST_MODELS.basic, name)));
    putModel(folder, SPARE, 1, slowIdentity(LAYERS), { maxBatch: 1 });
    putModel(folder, "loop", 1, loopModel());
    const temporary = await mkdtemp(join(tmpdir(), "warmgate-ended-"));
    const [port = 0, opsPort = 0] = await keptPorts(2);
    const limits = [
      ...["--alive-limit-ms", String(ALIVE_LIMIT_MS), "--start-limit-ms", String(START_LIMIT_MS)],
      ...["--run-limit-ms", String(RUN_LIMIT_MS), "--drain-ms", String(DRAIN_MS)],
      // Whatever the machine has: one run hangs, others go on.
      ...["--slots", "2"],
    ];
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
  async carryOut({ at, by, reloadMs, next }: PlannedEnd, startedAt: number): Promise<void> {
    const dueAt = startedAt + at + this.#lateMs;
    await delay(Math.max(0, dueAt - performance.now()));
    if (reloadMs !== undefined) {
      this.#asked.push(this.#reload(CRASHES.has(by) ? SPARE : SLOW_IDENTITY.name));
      await delay(reloadMs);
    }
    const { pid } = this.pool.serving;
    const from = await this.#end(pid, by);
    if (next?.whenIt === "starts") {
      const child = await until("the next process to be started", () =>
        childrenOf(this.supervisor).find((other) => !this.#ended.has(other)),
      );
      await delay(next.afterMs);
      await this.#back(from, next.by, await this.#end(child, next.by), START_LIMIT_MS);
    } else {
      await this.#back(from, by, from);
      if (next) {
        await delay(next.afterMs);
        const again = await this.#end(this.pool.serving.pid, next.by);
        await this.#back(again, next.by, again);
      }
    }
    this.#lateMs += Math.max(0, performance.now() - dueAt - ALLOWED_MS);
  }

  /** Resolves when whatever was asked to end the process, or beside it, has been answered or will not be any more. */
  async allAnswered(): Promise<void> {
    await Promise.all(this.#asked);
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
    const wrong = [...this.#wrong, ...causesNotTold([...this.#ended.values()], this.pool.output)];
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

  /** @returns from when on it does not serve any more */
  async #end(pid: number, by: Ending): Promise<number> {
    this.#ended.set(pid, by);
    if (by === "hang") {
      this.#asked.push(this.#hang());
      return until("the hang to be noticed", () => this.#noticedHang(pid));
    }
    const now = performance.now();
    process.kill(pid, by);
    return now;
  }

  async #hang(): Promise<void> {
    const sentAt = performance.now();
    const headers = { "x-warmgate-timeout-ms": String(HANG_DEADLINE_MS) };
    const reply = await post(`${this.pool.url}/v2/models/loop/infer`, loopRequest(ENDLESS), headers).catch(String);
    const tookMs = performance.now() - sentAt;
    const told = typeof reply === "string" ? reply : `${reply.status} ${reply.body}`;
    if (!told.startsWith("504")) this.#wrong.push(`who waited for a run that hangs was told '${told}'`);
    if (tookMs > HANG_DEADLINE_MS + HANG_SLACK_MS)
      this.#wrong.push(`who waited for a run that hangs waited ${tookMs} ms`);
  }

  #noticedHang(pid: number): number | undefined {
    return linesOf(this.pool.output).find((line) => line.pid === pid && line.msg.startsWith("answering what can be"))
      ?.at;
  }

  async #back(from: number, by: Ending, endedAt: number, noticedMs = NOTICED_MS): Promise<void> {
    await until(`a process to be ready after ${by}`, () => {
      if (this.pool.failure !== undefined) throw new Error(`the supervisor gave up: ${this.pool.failure}`);
      return !this.#ended.has(this.pool.serving.pid);
    }).catch((cause: unknown) => {
      throw new Error(`no process is back after ${by}; the pool has written:\n${this.pool.output}`, { cause });
    });
    const to = performance.now();
    this.#outages.push({ from, to });
    this.#returns.push({ tookMs: to - endedAt, unnoticedMs: by === "SIGSTOP" ? noticedMs : 0 });
  }

  /** The same answers from other bytes, which have to be tried anew. */
  async #reload(model: string): Promise<void> {
    const file = join(this.#folder, model, "1", "model.onnx");
    await writeFile(`${file}.part`, slowIdentity(LAYERS + ++this.reloads));
    await rename(`${file}.part`, file);
    const url = `${this.pool.url}/v2/repository/models/${model}/load`;
    try {
      const { status, body } = await call(url, {
        ...{ method: "POST", body: "{}", signal: AbortSignal.timeout(LONGEST_LOAD_MS) },
      });
      if (status !== 200 && status !== 503) this.#wrong.push(`a reload was answered ${status}: ${body}`);
    } catch (error) {
      // `fetch` throws a TypeError when the connection ends, as it does when the process is ended.
      if (!(error instanceof TypeError)) this.#wrong.push(`a reload was left hanging: ${String(error)}`);
    }
  }
}
