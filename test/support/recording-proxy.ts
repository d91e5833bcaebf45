/** Stands between the edge and a node, and keeps what the edge sends there. */
import { once } from "node:events";
import { createServer, request as forward, type Server } from "node:http";
import { z } from "zod";
import { INFERENCE_HEADER_LENGTH } from "../../shared/protocol/headers.ts";

export interface Recorded {
  readonly path: string;
  readonly body: Buffer;
  /** Value of Inference-Header-Content-Length. */
  readonly headerLength: string | null;
}

export class RecordingProxy {
  readonly requests: Recorded[] = [];
  /** Where it passes requests on to; what comes before it is set is refused. */
  target: string | undefined;
  readonly #server: Server;

  constructor() {
    this.#server = createServer(async (incoming, outgoing) => {
      const { url: path = "/", method, headers } = incoming;
      const body = Buffer.concat(await incoming.toArray());
      const headerLength = z
        .string()
        .nullable()
        .parse(headers[INFERENCE_HEADER_LENGTH] ?? null);
      this.requests.push({ path, body, headerLength });
      if (this.target === undefined) {
        outgoing.writeHead(503).end();
        return;
      }
      const passed = forward(this.target + path, { method, headers }, (reply) => {
        outgoing.writeHead(reply.statusCode ?? 502, reply.headers);
        reply.pipe(outgoing);
      });
      passed.on("error", () => outgoing.destroy());
      passed.end(body);
    });
  }

  /** @returns its origin */
  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("the proxy has no address");
    return `http://127.0.0.1:${address.port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
