/** `npm run cuda`: adds ONNX Runtime's CUDA provider, which the default install leaves out. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CUDA_PROVIDER_FOLDER, copyProvider, runtimeVersion } from "./cuda-provider.ts";
import { PROJECT_ROOT } from "./state-folder.ts";
import { UsageError } from "./usage-error.ts";

const HELP = `Usage: npm run cuda [-- --from <folder>]

Puts ONNX Runtime's CUDA provider beside onnxruntime-node. For Linux x64 hosts with an NVIDIA driver, CUDA and cuDNN 9.
Downloads the one for CUDA 12 (about 300 MB, from NuGet).

  --from <folder>   takes the one in this folder instead: for CUDA 13, or where NuGet is out of reach. Python's package
                    has it, and must be of onnxruntime-node's version:
                    pip install --no-deps --target <folder> onnxruntime-gpu==VERSION

Afterwards: npm start -- --provider cuda`;

export async function cuda(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { help: { type: "boolean" }, from: { type: "string" } } });
  const version = await runtimeVersion();
  if (values.help) {
    console.log(HELP.replace("VERSION", version));
    return 0;
  }
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new UsageError("ONNX Runtime ships its CUDA provider for Linux on x64 only.");
  }
  if (values.from === undefined) download();
  else await copyProvider(values.from, CUDA_PROVIDER_FOLDER, version);
  console.log("The CUDA provider is in place. Start with: npm start -- --provider cuda");
  return 0;
}

function download(): void {
  const script = join(PROJECT_ROOT, "node_modules", "onnxruntime-node", "script", "install.js");
  const { status } = spawnSync(process.execPath, [script], {
    cwd: join(PROJECT_ROOT, "node_modules", "onnxruntime-node"),
    stdio: "inherit",
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: "cuda12" },
  });
  if (status !== 0) {
    throw new UsageError(
      "The CUDA provider could not be added. It is downloaded from NuGet: is it reachable from here? If not: --from <folder>",
    );
  }
}
