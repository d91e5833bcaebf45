/** A real HTTP server whose files and faults a test decides. Not part of the product. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";

export interface SeenRequest {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

export class ScriptedServer {
  readonly files = new Map<string, Buffer>();
  readonly seen: SeenRequest[] = [];
  /** Path -> what answers the next requests for it, one each, in the place of the file. */
  readonly #faults = new Map<string, RequestListener[]>();
  readonly #server = createServer((request, response) => this.#serve(request, response));
  /** Refuses what is not authorised, when set. */
  guard: (request: IncomingMessage, response: ServerResponse) => boolean = () => true;
  /** Answers what is no file. */
  otherwise: RequestListener = (_, response) => void response.writeHead(404).end();
  etags = true;
  connections = 0;
  port = 0;

  static async start(): Promise<ScriptedServer> {
    const scripted = new ScriptedServer();
    scripted.#server.on("connection", () => scripted.connections++);
    scripted.#server.listen(0, "127.0.0.1");
    await once(scripted.#server, "listening");
    const address = scripted.#server.address();
    if (typeof address === "object" && address) scripted.port = address.port;
    return scripted;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The next requests for a path are answered so. */
  fault(path: string, ...listeners: RequestListener[]): void {
    this.#faults.set(path, [...(this.#faults.get(path) ?? []), ...listeners]);
  }

  reset(): void {
    this.files.clear();
    this.#faults.clear();
    this.seen.length = 0;
    this.etags = true;
    this.guard = () => true;
    this.otherwise = (_, response) => void response.writeHead(404).end();
  }

  requests(path: string): SeenRequest[] {
    return this.seen.filter((request) => request.path === path);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? "").replace(/\?.*/, "");
    this.seen.push({ path, headers: request.headers });
    if (!this.guard(request, response)) return;
    const fault = this.#faults.get(path)?.shift();
    const file = this.files.get(path);
    if (fault) fault(request, response);
    else if (file) this.#send(file, request, response);
    else this.otherwise(request, response);
  }

  #send(file: Buffer, { headers }: IncomingMessage, response: ServerResponse): void {
    const etag = etagOf(file);
    if (this.etags) response.setHeader("etag", etag);
    if (headers["if-none-match"] === etag) return void response.writeHead(304).end();
    if (headers["if-match"] !== undefined && headers["if-match"] !== etag) return void response.writeHead(412).end();
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
    if (from > 0 && headers["if-range"] === etag) {
      if (from >= file.length) return void response.writeHead(416).end();
      response.setHeader("content-range", `bytes ${from}-${file.length - 1}/${file.length}`);
      response.writeHead(206).end(file.subarray(from));
      return;
    }
    response.setHeader("content-length", file.length);
    response.end(file);
  }
}

export function etagOf(content: Buffer): string {
  return `"${createHash("md5").update(content).digest("hex")}"`;
}

export function sha256Of(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Sends the head and so many bytes of a file, and breaks the connection. */
export function brokenAfter(
  content: Buffer,
  bytes: number,
  etag: string | undefined = etagOf(content),
): RequestListener {
  return (_, response) => {
    response.writeHead(200, { "content-length": content.length, ...(etag ? { etag } : {}) });
    // What the client has not read by then it loses.
    response.write(content.subarray(0, bytes), () => setTimeout(() => response.destroy(), 40));
  };
}

export function status(code: number, body = "", headers: Record<string, string> = {}): RequestListener {
  return (_, response) => void response.writeHead(code, headers).end(body);
}

/** Model -> version -> file name -> content; `model.json` in the place of a version is the model's. */
export type Models = Readonly<Record<string, Readonly<Record<string, Buffer | Readonly<Record<string, Buffer>>>>>>;

/** The manifest of these models. */
export function manifestOf(models: Models): Buffer {
  const described = Object.entries(models).map(([model, parts]) => {
    const modelJson = parts["model.json"];
    const versions = Object.entries(parts).flatMap(([version, files]) => {
      if (Buffer.isBuffer(files)) return [];
      const described = Object.entries(files).map(([file, content]) => [file, describe(content)]);
      return [[version, { files: Object.fromEntries(described) }]];
    });
    const own = Buffer.isBuffer(modelJson) ? { path: `${model}/model.json`, ...describe(modelJson) } : null;
    return [model, { modelJson: own, versions: Object.fromEntries(versions) }];
  });
  return Buffer.from(JSON.stringify({ models: Object.fromEntries(described) }));
}

function describe(content: Buffer) {
  return { sha256: sha256Of(content), size: content.length };
}

/** Puts models on the server, below a path, each file where the layout wants it. */
export function publish(server: ScriptedServer, base: string, models: Models): void {
  for (const [model, parts] of Object.entries(models)) {
    for (const [second, content] of Object.entries(parts)) {
      if (Buffer.isBuffer(content)) server.files.set(`${base}${model}/${second}`, content);
      else
        for (const [file, bytes] of Object.entries(content))
          server.files.set(`${base}${model}/${second}/${file}`, bytes);
    }
  }
}
