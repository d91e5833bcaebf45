/**
 * Tests that may be looked at as often as one likes. The state of each is an e-process: what a gambler with one coin
 * owns who bets against the hypothesis at fair odds. While the hypothesis holds, the fortune does not grow on average,
 * so (Ville's inequality)
 *
 *     P(it ever reaches 1 / alpha) <= alpha
 *
 * over all looks together, whenever and why ever one stops. A test that is made for one look is wrong far more often
 * than it says when it is looked at every few seconds. Ramdas, Grünwald, Vovk, Shafer: Game-theoretic statistics and
 * safe anytime-valid inference, Statistical Science 38 (2023); Johari, Koomen, Pekelis, Walsh: Always valid inference,
 * Operations Research 70 (2022).
 *
 * Two things are done with the stake, and both leave it a fair bet:
 * - Half of it is bet at the first look, the rest bit by bit at all later ones (1/2t(t-1) at look t), as for changes
 *   that may begin at any time (Shin, Ramdas, Rinaldo: E-detectors, 2022). A good hour lets no bad minute pass: a bet
 *   that begins at the bad minute has not lost anything.
 * - No look multiplies it by more than `MOST_PER_LOOK`: what happens within seconds often has one cause, and one moment
 *   proves nothing. From 1 to 100,000 it takes five looks.
 *
 * What each look is assumed to be is said in `likelihood-ratio.ts`.
 */
import { z } from "zod";

export const MOST_PER_LOOK = 20;
/** Far above any threshold, and still a number in JSON. */
const LARGEST = 1e300;

export const sequentialTestSchema = z.strictObject({
  looks: z.int().min(0),
  /** What the part of the stake that has been bet is worth, by alternative. */
  worth: z.array(z.number().min(0)).max(16),
});
export type SequentialTest = z.infer<typeof sequentialTestSchema>;

export function newTest(): SequentialTest {
  return { looks: 0, worth: [] };
}

/**
 * The test after a look.
 *
 * @param logRatios natural logarithms of the likelihood ratios, by alternative, always in the same order; undefined:
 * the look told nothing
 */
export function updated(test: SequentialTest, logRatios: readonly number[] | undefined): SequentialTest {
  if (!logRatios) return test;
  const looks = test.looks + 1;
  const stake = unspent(test.looks) - unspent(looks);
  const worth = logRatios.map((logRatio, alternative) =>
    Math.min(LARGEST, ((test.worth[alternative] ?? 0) + stake) * Math.min(MOST_PER_LOOK, Math.exp(logRatio))),
  );
  return { looks, worth };
}

/** How much speaks against the hypothesis: 1 is nothing, 20 is suspicious, 1 / alpha refutes it. */
export function eValue({ looks, worth }: SequentialTest): number {
  if (looks === 0) return 1;
  return unspent(looks) + worth.reduce((sum, value) => sum + value, 0) / worth.length;
}

function unspent(looks: number): number {
  return looks === 0 ? 1 : 1 / (2 * looks);
}
