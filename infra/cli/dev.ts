/**
 * `npm run dev`: the pool as `npm start` runs it, and the Worker under `wrangler dev`, which builds it anew whenever it
 * is edited. For editing, not for measuring: wrangler's development proxy is slow.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startPool } from "./pool-process.ts";
import { PROJECT_ROOT, StateFolder } from "./state-folder.ts";

const HELP = `Usage: npm run dev

The edge on http://127.0.0.1:8787 under wrangler dev, the pool on 8000, its operations on 8002. The demo key is the one
that npm start made (.warmgate/demo-key); run npm start once before.`;

export async function dev(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { help: { type: "boolean" } } });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const folder = new StateFolder(join(PROJECT_ROOT, ".warmgate"));
  const secrets = folder.secrets();
  const pool = startPool({
    supervisorFile: join(PROJECT_ROOT, "gpu-pool", "supervisor.ts"),
    arguments: ["--models", join(PROJECT_ROOT, "gpu-pool", "models")],
    signingKeys: secrets.poolSigningKeys,
    onLine: (line) => console.log(line),
    onReady: () => console.log("pool: ready"),
    onFailed: (reason) => console.error(`pool: ${reason}`),
  });
  const wrangler = spawn(
    join(PROJECT_ROOT, "node_modules", ".bin", "wrangler"),
    [
      ...["dev", "--port", "8787", "--ip", "127.0.0.1", "--persist-to", folder.file("dev-state")],
      ...["--var", "ENVIRONMENT:local"],
      ...["--var", "POOL_NODES:http://127.0.0.1:8000"],
      ...["--var", `POOL_SIGNING_KEYS:${secrets.poolSigningKeys}`],
      ...["--var", `API_KEY_PEPPER:${secrets.apiKeyPepper}`],
    ],
    { cwd: PROJECT_ROOT, stdio: "inherit" },
  );
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => wrangler.kill(signal));
  const code = await new Promise<number>((resolve) => wrangler.once("exit", (status) => resolve(status ?? 1)));
  await pool.stop();
  return code;
}
