const SPREAD = 0.1;

/**
 * A life that differs by up to a tenth, so that what was made together does not have to be made anew together.
 *
 * @param random from 0 up to but not including 1
 */
export function jittered(ttlMs: number, random: number): number {
  return ttlMs * (1 - SPREAD + 2 * SPREAD * random);
}
