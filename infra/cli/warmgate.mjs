#!/usr/bin/env node
// The way in for a fresh clone: plain JavaScript that runs on any Node >= 20, installs what is missing, and hands over
// to the Node 22 that npm supplies. Everything else is TypeScript.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const node = join(root, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node");

if (Number(process.versions.node.split(".")[0]) < 20) {
  fail(`Warmgate needs Node 20 or newer to start; this is Node ${process.versions.node}.`);
}
if (!isInstalled()) {
  console.error("Installing dependencies (first start only)...");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  // Not `npm ci`: it refuses a lock file that lacks other platforms' optional binaries, as one has that was written where
  // the registry's copy lacks them. Versions are those of the lock file all the same, and nothing is written to it.
  const install = spawnSync(npm, ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", process.stderr, process.stderr],
  });
  if (install.status !== 0) fail("The dependencies could not be installed; npm's words above say why.");
  if (!existsSync(node)) fail("npm did not install Node 22. Allow the package `node` to run its install script.");
}

const child = spawn(
  node,
  ["--disable-warning=ExperimentalWarning", join(root, "infra", "cli", "main.ts"), ...process.argv.slice(2)],
  {
    // The channel tells the child when this process is gone, however it went.
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, PATH: pathWithOurNode() },
    // A group of its own: Ctrl-C then reaches it by one way only, and whatever it leaves behind can be ended together.
    detached: true,
  },
);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  process.exitCode = code ?? (signal ? 1 : 0);
  if (child.connected) child.disconnect();
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nothing was left.
  }
});

/** Whether what is installed is what the lock file asks for, by npm's own record of the install. */
function isInstalled() {
  try {
    const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
    const found = JSON.parse(readFileSync(join(root, "node_modules", ".package-lock.json"), "utf8")).packages;
    return (
      existsSync(node) &&
      Object.entries(wanted).every(
        ([path, entry]) => path === "" || found[path]?.version === entry.version || (entry.optional && !found[path]),
      )
    );
  } catch {
    return false;
  }
}

function pathWithOurNode() {
  const separator = process.platform === "win32" ? ";" : ":";
  return [join(root, "node_modules", "node", "bin"), process.env.PATH ?? ""].join(separator);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
