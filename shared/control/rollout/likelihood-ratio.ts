/**
 * What one look says against a hypothesis: logarithms of likelihood ratios by alternative, for `updated` of
 * `sequential-test.ts`. Each ratio is at most 1 on average under its hypothesis, if requests share no fate but what
 * both versions share: load, a failing node, a difficult hour may move all rates from look to look as they like.
 */

/** How often something happened, of how many. */
export interface Tally {
  readonly events: number;
  readonly of: number;
}

/**
 * The alternatives: by how much the odds are worse than the hypothesis allows. From a bit, which takes long, to beyond
 * doubt.
 */
const ODDS = [1.5, 2.5, 5, 20];
const RATIOS = [1.5, 2.5, 5, 20, 100];

/** Hypothesis: each happens with probability `most` at the most. @param most above 0, below 1 */
export function againstShare(most: number, { events, of }: Tally): number[] | undefined {
  if (of === 0) return undefined;
  return ODDS.map((times) => {
    const odds = (times * most) / (1 - most);
    const share = odds / (1 + odds);
    return events * Math.log(share / most) + (of - events) * Math.log((1 - share) / (1 - most));
  });
}

/**
 * Hypothesis: the candidate's rate is at most `ratio` times the stable version's, whatever that is. For what is rare:
 * of all events a share of at most `ratio n_c / (ratio n_c + n_s)` is the candidate's, by the requests n of the look,
 * and only events count.
 *
 * With a = q / p and b = (1 - q) / (1 - p), rates x of the candidate and y of the other: E = (1 + x(a-1))^n_c (1 +
 * y(b-1))^n_s <= exp(n_c x (a-1) + n_s y (b-1)) <= 1 for x <= ratio y, so it holds for shares as it does for rates.
 */
export function againstRatio(ratio: number, candidate: Tally, stable: Tally): number[] | undefined {
  if (candidate.of === 0 || stable.of === 0) return undefined;
  const share = (times: number) => (times * candidate.of) / (times * candidate.of + stable.of);
  const most = share(ratio);
  return RATIOS.map((times) => {
    const worse = share(ratio * times);
    return candidate.events * Math.log(worse / most) + stable.events * Math.log((1 - worse) / (1 - most));
  });
}

/**
 * Hypothesis: the candidate's values are no larger than the stable version's, however those are distributed; by classes
 * of values, ascending. Turner, Ly, Grünwald: Generic E-variables for exact sequential k-sample tests, J. Stat.
 * Planning and Inference 230 (2024): each side's alternative against the mean m of both, weighted by what each has
 * counted. That is at most 1 on average for any common distribution p, as the logarithm is concave in p and flat at p =
 * m.
 *
 * @param expected the stable version's shares of the classes, as foreseen before the look; a bad guess costs power,
 * never validity
 * @param tilts the alternatives: by which factor each class is more frequent than expected, none smaller than the one
 * before
 */
export function againstLarger(
  expected: readonly number[],
  tilts: readonly (readonly number[])[],
  candidate: readonly number[],
  stable: readonly number[],
): number[] | undefined {
  const [candidates, stables] = [sumOf(candidate), sumOf(stable)];
  if (candidates === 0 || stables === 0) return undefined;
  return tilts.map((tilt) => {
    const tilted = expected.map((share, index) => share * (tilt[index] ?? 1));
    const whole = sumOf(tilted);
    return expected.reduce((logRatio, share, index) => {
      const larger = (tilted[index] ?? 0) / whole;
      const mean = (candidates * larger + stables * share) / (candidates + stables);
      const told = (candidate[index] ?? 0) * Math.log(larger / mean) + (stable[index] ?? 0) * Math.log(share / mean);
      return logRatio + told;
    }, 0);
  });
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
