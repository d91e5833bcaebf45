/** What models on disk are tried on. */
import { nearestName } from "../admin/nearest-name.ts";
import { parseWholeNumber } from "../admin/number-text.ts";
import type { GivenOptions, Options } from "../admin/options.ts";
import { UsageError } from "../usage-error.ts";
import type { OfflineDevice } from "./offline-loader.ts";

type DeviceOption = keyof typeof DEVICE_OPTIONS;

const PROVIDERS = ["cpu", "cuda"] as const;
const MOST_DEVICES = 64;

export const DEVICE_OPTIONS = {
  provider: { value: "cpu|cuda", about: "what files are run on (cpu)" },
  device: { value: "<n>", about: "which GPU (0)" },
} as const satisfies Options<string>;

/** @throws UsageError */
export function parseDevice(given: GivenOptions<DeviceOption>): OfflineDevice {
  const text = given.one("provider") ?? "cpu";
  const provider = PROVIDERS.find((name) => name === text);
  if (!provider) {
    const nearest = nearestName(text, PROVIDERS);
    throw new UsageError(`--provider is cpu or cuda, not '${text}'.${nearest ? ` Did you mean ${nearest}?` : ""}`);
  }
  const device = given.one("device");
  const deviceId = device === undefined ? 0 : parseWholeNumber(device, "--device", 0, MOST_DEVICES - 1);
  return { provider, deviceId, computeThreads: 1 };
}
