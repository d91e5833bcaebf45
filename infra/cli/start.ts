/**
 * `npm start`: the whole of Warmgate on this machine. The Worker under workerd, the pool with its serving process, a
 * demo tenant; ready when a prediction has come back through all of it.
 */
import { parseArgs } from "node:util";
import { type StackOptions, startStack } from "./stack.ts";
import { PROJECT_ROOT } from "./state-folder.ts";
import { UsageError } from "./usage-error.ts";
import { describeStack } from "./welcome.ts";

const HELP = `Usage: npm start [-- options]

  --models <folder|url>    ONNX models in a folder, on a server (https://...) or in a bucket (s3://...); may be given
                           more than once (default: the models that ship)
  --poll-ms <n>            how often folders are looked at for new and changed models (0: never)
  --models-poll-ms <n>     how often servers and buckets are (60000; 0: at the start only)
  --edge-port <port>       where the edge listens on 127.0.0.1 (8787)
  --pool-port <port>       where the pool takes the edge's requests (8000)
  --ops-port <port>        the pool's metrics, liveness and readiness (8002)
  --pool-auth signed|open  open lets tools on this machine call the pool without a signature (signed)
  --provider cpu|cuda|prefer-cuda
                           what models run on (cpu); with prefer-cuda on the CPU where CUDA cannot be used
  --device-memory-bytes <n>
                           memory that models may take together (what a GPU has free)
  --slots <n>              runs that the device takes at once (the cores of a CPU, 1 on a GPU)
  --compute-threads <n>    threads that one run may use (1)
  --max-queue-ms <n>       device time that may wait ahead of a request, in milliseconds (2000)
  --max-queue-items <n>    requests that may wait (4096)
  --max-queue-bytes <n>    bytes of inputs that may wait (512 MiB)
  --client-address-header <name>
                           header in which a proxy in front of the edge says whom a request is from; addresses that
                           keep failing to authenticate are then shut out for a while
  --admin-host <name>      the only host name that answers /admin (every one)
  --state <folder>         where keys, secrets, logs and run.json are kept (.warmgate)`;

const option = { type: "string" } as const;
/** Handed to the pool as they are; it says what is wrong with them. */
const POOL_OPTIONS = [
  ...(["poll-ms", "models-poll-ms", "device-memory-bytes", "slots", "compute-threads"] as const),
  ...(["max-queue-ms", "max-queue-items", "max-queue-bytes"] as const),
] as const;

export async function start(args: string[]): Promise<number> {
  const { values } = parse(args);
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const options: StackOptions = {
    edgePort: port(values["edge-port"], "--edge-port", 8787),
    poolPort: port(values["pool-port"], "--pool-port", 8000),
    opsPort: port(values["ops-port"], "--ops-port", 8002),
    modelFolders: values.models ?? [`${PROJECT_ROOT}gpu-pool/models`],
    poolAuth: oneOf(values["pool-auth"], "--pool-auth", ["signed", "open"]),
    provider: oneOf(values.provider, "--provider", ["cpu", "cuda", "prefer-cuda"]),
    poolOptions: POOL_OPTIONS.flatMap((name) => (values[name] === undefined ? [] : [`--${name}`, values[name]])),
    stateFolder: values.state ?? `${PROJECT_ROOT}.warmgate`,
    clientAddressHeader: values["client-address-header"],
    adminHost: values["admin-host"],
  };
  const stopped = untilStopped();
  const startedAt = performance.now();
  console.log("Starting Warmgate...");
  const stack = await startStack(options);
  try {
    const last = await Promise.race([stack.ready, stack.failed, stopped.then(() => "stopped" as const)]);
    if (last !== "stopped") {
      console.log(await describeStack(stack, (performance.now() - startedAt) / 1000));
      await Promise.race([stack.failed, stopped]);
    }
    return 0;
  } finally {
    console.log("Stopping...");
    await stack.stop();
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        help: { type: "boolean" },
        models: { type: "string", multiple: true },
        "edge-port": option,
        "pool-port": option,
        "ops-port": option,
        "pool-auth": option,
        provider: option,
        "poll-ms": option,
        "models-poll-ms": option,
        "device-memory-bytes": option,
        slots: option,
        "compute-threads": option,
        "max-queue-ms": option,
        "max-queue-items": option,
        "max-queue-bytes": option,
        "client-address-header": option,
        "admin-host": option,
        state: option,
      },
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
  }
}

function port(text: string | undefined, name: string, usual: number): number {
  const value = text === undefined ? usual : Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 65_535) return value;
  throw new UsageError(`${name} must be a port from 1 to 65535, not '${text}'.`);
}

function oneOf<const Choice extends string>(
  text: string | undefined,
  name: string,
  choices: readonly [Choice, ...Choice[]],
): Choice {
  if (text === undefined) return choices[0];
  const found = choices.find((choice) => choice === text);
  if (!found) throw new UsageError(`${name} must be ${choices.join(" or ")}, not '${text}'.`);
  return found;
}

/** Resolves at Ctrl-C, SIGTERM, or when the program that started this one is gone. A second signal ends at once. */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = () => {
      if (asked) process.exit(1);
      asked = true;
      resolve();
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
    process.once("disconnect", () => {
      if (!asked) stop();
    });
  });
}
