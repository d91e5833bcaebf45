import type { PoolSettings } from "../settings.ts";
import { checkProvider, decideProvider } from "./provider-check.ts";

export interface UsableSettings {
  readonly settings: PoolSettings;
  /** Why models run on the CPU although another provider is preferred; undefined where they run on what is asked for. */
  readonly fellBack: string | undefined;
}

/**
 * Settings whose provider can be used on this host.
 *
 * @param read reads the settings, with more options after those of the command line
 * @throws Error where the provider is required and cannot be used
 */
export async function usableSettings(
  read: (...more: string[]) => PoolSettings,
  check: typeof checkProvider = checkProvider,
): Promise<UsableSettings> {
  const settings = read();
  const { provider, deviceId, providerRequired: required } = settings;
  if (provider === "cpu") return { settings, fellBack: undefined };
  const decision = decideProvider({ required }, await check(provider, deviceId));
  if (decision.kind === "refuse") throw new Error(decision.reason);
  if (decision.kind === "use") return { settings, fellBack: undefined };
  // Read anew: what else is not given follows from the provider.
  return { settings: read("--provider", "cpu"), fellBack: decision.reason };
}
