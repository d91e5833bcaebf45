/** The seed of a test whose faults are drawn at random: another one each time, or the one that is to be had again. */

/** @param text of the environment. @throws Error unless it is a whole number */
export function seedFrom(text: string | undefined): number {
  if (text === undefined) return 1 + Math.floor(Math.random() * 1e6);
  const seed = Number(text);
  if (!Number.isSafeInteger(seed)) throw new Error("WARMGATE_FAULT_SEED is a whole number");
  return seed;
}
