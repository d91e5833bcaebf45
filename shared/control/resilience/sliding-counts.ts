/** How often things happened of late: counts of a window that moves on by slices, so of up to one slice less than its length. */

export interface WindowShape {
  readonly sliceMs: number;
  readonly slices: number;
}

interface Slice<Kind extends string> {
  /** The slice's place in time: its beginning divided by its length. */
  readonly place: number;
  readonly counts: ReadonlyMap<Kind, number>;
}

/** Oldest first; no more than the window has slices. */
export type SlidingCounts<Kind extends string> = readonly Slice<Kind>[];

/** The counts after one more of a kind. A clock that goes back counts into the newest slice. */
export function counted<Kind extends string>(
  window: SlidingCounts<Kind>,
  kind: Kind,
  { sliceMs, slices }: WindowShape,
  now: number,
): SlidingCounts<Kind> {
  const newest = window.at(-1);
  const place = Math.max(Math.floor(now / sliceMs), newest?.place ?? Number.NEGATIVE_INFINITY);
  const others = window.filter((slice) => slice.place < place && slice.place > place - slices);
  const counts = new Map(newest?.place === place ? newest.counts : []);
  return [...others, { place, counts: counts.set(kind, (counts.get(kind) ?? 0) + 1) }];
}

/** How many of a kind the window holds now. */
export function countOf<Kind extends string>(
  window: SlidingCounts<Kind>,
  kind: Kind,
  { sliceMs, slices }: WindowShape,
  now: number,
): number {
  const oldest = Math.floor(now / sliceMs) - slices;
  let sum = 0;
  for (const { place, counts } of window) if (place > oldest) sum += counts.get(kind) ?? 0;
  return sum;
}
