/** The memory of a Worker's isolate, as its debugger tells it (Chrome DevTools Protocol, `Runtime.getHeapUsage`). */
import { once } from "node:events";
import { z } from "zod";
import { within } from "../../support/until.ts";

const targetsSchema = z.array(z.looseObject({ id: z.string(), webSocketDebuggerUrl: z.string() }));
const answerSchema = z.looseObject({ id: z.int(), result: z.looseObject({ usedSize: z.number() }) });

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
    return new WorkerHeap(socket);
  }

  /** Bytes that objects take, those among them that are garbage not yet collected. */
  async usedBytes(): Promise<number> {
    const id = ++this.#asked;
    const { promise, resolve } = Promise.withResolvers<number>();
    const listen = ({ data }: MessageEvent) => {
      const answer = answerSchema.safeParse(JSON.parse(String(data)));
      if (answer.data?.id === id) resolve(answer.data.result.usedSize);
    };
    this.#socket.addEventListener("message", listen);
    this.#socket.send(JSON.stringify({ id, method: "Runtime.getHeapUsage" }));
    try {
      return await within("the debugger to tell of the heap", promise);
    } finally {
      this.#socket.removeEventListener("message", listen);
    }
  }

  close(): void {
    this.#socket.close();
  }
}
