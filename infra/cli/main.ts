/** The command line: `npx warmgate <command>`. Each command is one file. */
import { UsageError } from "./usage-error.ts";

const COMMANDS: Readonly<
  Record<string, { readonly summary: string; readonly run: () => Promise<(args: string[]) => Promise<number>> }>
> = {
  start: { summary: "start edge and pool on this machine", run: async () => (await import("./start.ts")).start },
  dev: {
    summary: "the same, with the Worker reloaded by wrangler as it is edited",
    run: async () => (await import("./dev.ts")).dev,
  },
  tenants: { summary: "tenants and their limits", run: async () => (await import("./admin/admin.ts")).tenants },
  keys: { summary: "tenants' API keys", run: async () => (await import("./admin/admin.ts")).keys },
  plans: { summary: "the plans that tenants are on", run: async () => (await import("./admin/admin.ts")).plans },
  costs: { summary: "what requests to models cost", run: async () => (await import("./admin/admin.ts")).costs },
  issuers: { summary: "whose tokens are taken", run: async () => (await import("./admin/admin.ts")).issuers },
  routes: {
    summary: "which versions stand behind the models' names",
    run: async () => (await import("./admin/admin.ts")).routes,
  },
  rollout: {
    summary: "a version takes over a route step by step",
    run: async () => (await import("./admin/admin.ts")).rollout,
  },
  nodes: { summary: "who is in the pool", run: async () => (await import("./admin/admin.ts")).nodes },
  explain: {
    summary: "what would become of a request, and why",
    run: async () => (await import("./admin/admin.ts")).explain,
  },
  usage: { summary: "what a tenant has used", run: async () => (await import("./admin/admin.ts")).usage },
  audit: { summary: "who changed what", run: async () => (await import("./admin/admin.ts")).audit },
  models: {
    summary: "models of a pool and on disk: list, inspect, compare, validate, load, unload",
    run: async () => (await import("./models/models.ts")).models,
  },
  test: { summary: "lint, types and all tests", run: async () => (await import("./test.ts")).test },
  conformance: {
    summary: "the Open Inference Protocol suite and real clients against a running stack",
    run: async () => (await import("./conformance.ts")).conformance,
  },
  alerts: {
    summary: "the alerting rules, checked and replayed with promtool",
    run: async () => (await import("./alerts.ts")).alerts,
  },
  faults: {
    summary: "scenarios of faults with real durations, as a table",
    run: async () => (await import("./faults.ts")).faults,
  },
  soak: {
    summary: "models replaced, and processes killed, again and again under load",
    run: async () => (await import("./soak.ts")).soak,
  },
  simulate: {
    summary: "the scheduler on simulated devices, as curves",
    run: async () => (await import("./simulate.ts")).simulate,
  },
  bench: { summary: "the benchmarks, as a table", run: async () => (await import("./bench.ts")).bench },
  cuda: { summary: "add the CUDA provider on a GPU host", run: async () => (await import("./cuda.ts")).cuda },
};

function usage(): string {
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`);
  return `Usage: warmgate <command> [options]\n\n${lines.join("\n")}\n\n  warmgate <command> --help shows a command's options.`;
}

const [name = "", ...args] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (command) {
  try {
    process.exitCode = await (await command.run())(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  }
} else {
  const asked = name === "" || name === "help" || name === "--help";
  console[asked ? "log" : "error"](asked ? usage() : `There is no command '${name}'.\n\n${usage()}`);
  process.exitCode = asked ? 0 : 2;
}
// The channel to the program that started this one would keep the process alive.
if (process.connected) process.disconnect();
