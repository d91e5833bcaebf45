/** The memory of a Worker's isolate, as its debugger tells it (Chrome DevTools Protocol, `HeapProfiler` and `Runtime`). */
import { once } from "node:events";
import { z } from "zod";
import { within } from "../../support/until.ts";

const targetsSchema = z.array(z.looseObject({ id: z.string(), webSocketDebuggerUrl: z.string() }));
const answerSchema = z.looseObject({ id: z.int(), result: z.unknown() });
const usageSchema = z.looseObject({ usedSize: z.number() });

export class WorkerHeap {
  readonly #socket: WebSocket;
  #asked = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** @param worker its name @param inspectorPort where its debugger listens */
  static async open(worker: string, inspectorPort: number): Promise<WorkerHeap> {
    const targets = targetsSchema.parse(await (await fetch(`http://127.0.0.1:${inspectorPort}/json`)).json());
    const target = targets.find(({ id }) => id === `core:user:${worker}`);
    if (!target) throw new Error(`no debugger of ${worker} on port ${inspectorPort}`);
    const socket = new WebSocket(target.webSocketDebuggerUrl);
    await within("the debugger to answer", once(socket, "open"));
    const heap = new WorkerHeap(socket);
    await heap.#ask("HeapProfiler.enable");
    return heap;
  }

  /** Bytes of what is still referred to: the garbage is collected first. */
  async keptBytes(): Promise<number> {
    await this.#ask("HeapProfiler.collectGarbage");
    return usageSchema.parse(await this.#ask("Runtime.getHeapUsage")).usedSize;
  }

  close(): void {
    this.#socket.close();
  }

  async #ask(method: string): Promise<unknown> {
    const id = ++this.#asked;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const listen = ({ data }: MessageEvent) => {
      const answer = answerSchema.safeParse(JSON.parse(String(data)));
      if (answer.data?.id === id) resolve(answer.data.result);
    };
    this.#socket.addEventListener("message", listen);
    this.#socket.send(JSON.stringify({ id, method }));
    try {
      return await within(`the debugger to do ${method}`, promise);
    } finally {
      this.#socket.removeEventListener("message", listen);
    }
  }
}
