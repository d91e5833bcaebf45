import { execFileSync } from "node:child_process";

/** The process in which the process `parent` tries artefacts, while there is one. */
export function probeChildOf(parent: number): number | undefined {
  const text = execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat=,args="], { encoding: "utf8" });
  for (const line of text.split("\n")) {
    const [pid, itsParent, state, ...command] = line.trim().split(/\s+/);
    if (Number(itsParent) !== parent || state?.startsWith("Z")) continue;
    if (command.some((word) => word.endsWith("probe-child.ts"))) return Number(pid);
  }
  return undefined;
}
