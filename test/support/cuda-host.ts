/** Whether models can be run on CUDA here: what there is to test differs. */
import { existsSync } from "node:fs";
import { CUDA_PROVIDER_FOLDER, PROVIDER_FILES } from "../../infra/cli/cuda-provider.ts";

export const hasCuda = PROVIDER_FILES.every((file) => existsSync(`${CUDA_PROVIDER_FOLDER}/${file}`));
