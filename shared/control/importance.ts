/** How important a request is, on one scale for edge and pool: the priority class, and within it the tenant's turn. */
import { PRIORITY_CLASSES } from "../protocol/priority.ts";

export const RANKS_PER_CLASS = 128;
/** Importances go from 0, the most important, to one less than this. */
export const IMPORTANCES = PRIORITY_CLASSES.length * RANKS_PER_CLASS;
const RESALT_MS = 3_600_000;

/**
 * The user level of DAGOR (Zhou et al., SoCC 2018): a hash of the tenant that changes every hour, so that under lasting
 * overload it is not always the same tenants who are refused first.
 *
 * @param classLevel index into PRIORITY_CLASSES
 * @param epochMs wall-clock time, so that edge and pool agree
 */
export function importanceOf(classLevel: number, tenant: string, epochMs: number): number {
  // FNV-1a, 32 bits: spread is wanted, not secrecy.
  let hash = 0x811c9dc5 ^ Math.floor(epochMs / RESALT_MS);
  for (let index = 0; index < tenant.length; index++) hash = Math.imul(hash ^ tenant.charCodeAt(index), 0x01000193);
  hash ^= hash >>> 15;
  return classLevel * RANKS_PER_CLASS + ((hash >>> 0) % RANKS_PER_CLASS);
}
