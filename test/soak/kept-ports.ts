/** Ports for a server that goes away and comes back while clients knock. */
import { once } from "node:events";
import { createServer } from "node:net";

/** Below those that systems give to connections (from 32768 on Linux), which may be in use just when the server is back. */
const FIRST = 20_000;
const COUNT = 10_000;
const MOST_TRIES = 100;

/** Ports that nothing listens on at this moment and no outgoing connection will take. */
export async function keptPorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let attempt = 0; ports.size < count; attempt++) {
    if (attempt === MOST_TRIES) throw new Error("no free port was found");
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, "127.0.0.1"), "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
