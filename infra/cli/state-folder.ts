/** `.warmgate/`: what a stack on this machine keeps between starts, and what it says of itself while it runs. */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";

export const PROJECT_ROOT = fileURLToPath(new URL("../..", import.meta.url));

const secretsSchema = z.strictObject({
  apiKeyPepper: z.string().min(43),
  poolSigningKeys: z.string().min(46),
});
export type LocalSecrets = z.infer<typeof secretsSchema>;

/** What runs, for programs that want to find it. */
export interface RunningStack {
  readonly edge: { readonly url: string };
  readonly pool: { readonly url: string; readonly auth: "signed" | "open" };
  readonly operations: { readonly url: string };
  readonly pids: { readonly cli: number; readonly supervisor: number; readonly serving: readonly number[] };
  readonly startedAt: string;
}

export class StateFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** This machine's own secrets, made at the first start; readable by their owner only. */
  secrets(): LocalSecrets {
    const file = this.file("secrets.json");
    if (existsSync(file)) return secretsSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    const secrets = {
      apiKeyPepper: randomBytes(32).toString("base64url"),
      poolSigningKeys: `local-1:${randomBytes(32).toString("base64url")}`,
    };
    this.#write("secrets.json", `${JSON.stringify(secrets, null, 2)}\n`);
    return secrets;
  }

  /** An API key that was kept under this name. */
  readKey(name: string): string | undefined {
    const file = this.file(name);
    return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
  }

  writeKey(name: string, key: string): void {
    this.#write(name, `${key}\n`);
  }

  writeRunning(stack: RunningStack): void {
    this.#write("run.json", `${JSON.stringify(stack, null, 2)}\n`);
  }

  clearRunning(): void {
    rmSync(this.file("run.json"), { force: true });
  }

  /** Whole or not at all: readers never see half a file. */
  #write(name: string, content: string): void {
    const temporary = this.file(`${name}.new`);
    writeFileSync(temporary, content, { mode: 0o600 });
    chmodSync(temporary, 0o600);
    renameSync(temporary, this.file(name));
  }
}
