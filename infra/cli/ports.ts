import { createServer } from "node:net";
import { UsageError } from "./usage-error.ts";

export interface NamedPort {
  /** The option that changes it. */
  readonly option: string;
  readonly what: string;
  readonly port: number;
}

/** @throws UsageError naming each port that is taken and the option that changes it */
export async function requireFreePorts(host: string, ports: readonly NamedPort[]): Promise<void> {
  const faults: string[] = [];
  for (const { option, what, port } of ports) {
    const twin = ports.find((other) => other.port === port && other.option !== option);
    if (port !== 0 && twin) faults.push(`${option} and ${twin.option} are both ${port}; they must differ.`);
    else if (!(await isFree(host, port))) {
      faults.push(
        `Port ${port} (${what}) is taken by another program. Stop that program, or choose another port with ${option}.`,
      );
    }
  }
  if (faults.length > 0) throw new UsageError([...new Set(faults)].join("\n"));
}

/** Ports that nothing listens on at this moment. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once("error", reject);
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            resolve(typeof address === "object" && address ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}
