/**
 * Serving processes that announce themselves to a test's edge, each under a name of its own.
 *
 *     const nodes = new SeveralNodes(edge, ["test/models/basic"]);
 *     after(() => nodes.stop());
 *     const node = await nodes.start("a", ["--hardware", "big"]);
 *     await node.kill();
 */
import { StateFolder } from "../../infra/cli/state-folder.ts";
import { isAlive, PoolProcess } from "./pool.ts";

export class TestNode {
  readonly name: string;
  readonly pool: PoolProcess;

  constructor(name: string, pool: PoolProcess) {
    this.name = name;
    this.pool = pool;
  }

  get url(): string {
    return this.pool.url;
  }

  /** Ends it without a word, and for good: its supervisor goes with it. */
  async kill(): Promise<void> {
    // Stopped first, or it would start another one.
    this.pool.child.kill("SIGSTOP");
    process.kill(this.pool.serving.pid, "SIGKILL");
    this.pool.child.kill("SIGKILL");
    await this.pool.exit;
  }

  /** Its ports stay open, and nothing answers. */
  freeze(): void {
    process.kill(this.pool.serving.pid, "SIGSTOP");
  }

  thaw(): void {
    process.kill(this.pool.serving.pid, "SIGCONT");
  }
}

export class SeveralNodes {
  readonly #signingKeys: string;
  readonly #announceTo: string;
  readonly #models: readonly string[];
  readonly #nodes: TestNode[] = [];

  /** @param edge whose state folder holds the keys that nodes sign with */
  constructor(edge: { readonly edgeUrl: string; readonly stateFolder: string }, models: readonly string[]) {
    this.#signingKeys = new StateFolder(edge.stateFolder).secrets().poolSigningKeys;
    this.#announceTo = edge.edgeUrl;
    this.#models = models;
  }

  /** Starts one on ports that the system picks, and waits until it is ready. @param options further ones of its command line */
  async start(name: string, options: readonly string[] = []): Promise<TestNode> {
    const pool = new PoolProcess({
      models: this.#models,
      signingKeys: this.#signingKeys,
      arguments: ["--node-name", name, "--announce-to", this.#announceTo, "--slots", "1", ...options],
    });
    const node = new TestNode(name, pool);
    this.#nodes.push(node);
    await pool.started(1);
    return node;
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#nodes.map(async ({ pool }) => {
        // A frozen one would not hear that it is to stop.
        for (const { pid } of pool.starts) if (isAlive(pid)) process.kill(pid, "SIGCONT");
        await pool.stop();
      }),
    );
  }
}
