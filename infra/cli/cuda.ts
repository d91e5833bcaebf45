/** `npm run cuda`: adds ONNX Runtime's CUDA provider, which the default install leaves out. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { PROJECT_ROOT } from "./state-folder.ts";
import { UsageError } from "./usage-error.ts";

const HELP = `Usage: npm run cuda

Downloads ONNX Runtime's CUDA 12 provider (about 300 MB, from NuGet) beside onnxruntime-node. For Linux x64 hosts with an
NVIDIA driver, CUDA 12 and cuDNN 9. Afterwards: npm start -- --provider cuda`;

export async function cuda(args: string[]): Promise<number> {
  if (args.includes("--help")) {
    console.log(HELP);
    return 0;
  }
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new UsageError("ONNX Runtime ships its CUDA provider for Linux on x64 only.");
  }
  const script = join(PROJECT_ROOT, "node_modules", "onnxruntime-node", "script", "install.js");
  const { status } = spawnSync(process.execPath, [script], {
    cwd: join(PROJECT_ROOT, "node_modules", "onnxruntime-node"),
    stdio: "inherit",
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: "cuda12" },
  });
  if (status !== 0) {
    throw new UsageError(
      "The CUDA provider could not be added. It is downloaded from NuGet: is it reachable from here?",
    );
  }
  console.log("The CUDA provider is in place. Start with: npm start -- --provider cuda");
  return 0;
}
