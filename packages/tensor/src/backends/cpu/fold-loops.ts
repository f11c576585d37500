/**
 * The order in which sums of floats are formed, as plain loops: the form to read, and what runs where WebAssembly vectors are missing.
 *
 * All sums are in float64, and rounded once at the end. The n elements of a row (of all folded axes, in row-major order) are shared out
 * to eight lanes, element i to lane i mod 8; each lane is summed upwards from 0; then
 *
 *   sum = ((l0 + l4) + (l2 + l6)) + ((l1 + l5) + (l3 + l7))
 *
 * A row of fewer than `SHORT_ROW` elements is summed in one lane, one after another. The order depends on n alone: a view, its
 * transpose and a copy of it have sums of the same bits, and so have these loops and the vectors of fold.ts.
 * The largest and the smallest element need no order: NaN wins, and -0 is smaller than 0.
 */

import type { TypedArray } from '../../dtype.ts';

export const LANES = 8;
/** Rows shorter than this have one lane. */
export const SHORT_ROW = 32;

/** How many lanes a row of n elements has: a power of two. */
export const lanesOf = (n: number): number => (n < SHORT_ROW ? 1 : LANES);

/**
 * Adds a run of a row to the lanes: the n elements a[x + i*sx], the first of which is element `position` of the row. Lane l is at
 * sums[l]; `lanes` says how many there are.
 */
export function addToLanes(
  sums: Float64Array,
  lanes: number,
  position: number,
  n: number,
  a: TypedArray,
  x: number,
  sx: number,
): void {
  for (let i = 0; i < n; i++, x += sx) sums[(position + i) & (lanes - 1)] += a[x];
}

/** The sum of the eight lanes sums[at + l*step]. */
export function joinLanes(sums: Float64Array, at = 0, step = 1): number {
  const lane = (l: number) => sums[at + l * step];
  return lane(0) + lane(4) + (lane(2) + lane(6)) + (lane(1) + lane(5) + (lane(3) + lane(7)));
}

/** The sum of the n elements a[x + i*sx] of a row that is one run. */
export function sumLoop(n: number, a: TypedArray, x: number, sx: number): number {
  if (n < SHORT_ROW) {
    let total = 0;
    for (let i = 0; i < n; i++, x += sx) total += a[x];
    return total;
  }
  let [l0, l1, l2, l3, l4, l5, l6, l7] = [0, 0, 0, 0, 0, 0, 0, 0];
  let i = 0;
  for (; i < n - 7; i += 8, x += 8 * sx) {
    l0 += a[x];
    l1 += a[x + sx];
    l2 += a[x + 2 * sx];
    l3 += a[x + 3 * sx];
    l4 += a[x + 4 * sx];
    l5 += a[x + 5 * sx];
    l6 += a[x + 6 * sx];
    l7 += a[x + 7 * sx];
  }
  if (i < n) l0 += a[x];
  if (i + 1 < n) l1 += a[x + sx];
  if (i + 2 < n) l2 += a[x + 2 * sx];
  if (i + 3 < n) l3 += a[x + 3 * sx];
  if (i + 4 < n) l4 += a[x + 4 * sx];
  if (i + 5 < n) l5 += a[x + 5 * sx];
  if (i + 6 < n) l6 += a[x + 6 * sx];
  return l0 + l4 + (l2 + l6) + (l1 + l5 + (l3 + l7));
}

/** The largest of the n elements a[x + i*sx]; -Infinity if there is none. */
export function maxLoop(n: number, a: TypedArray, x: number, sx: number): number {
  let best = -Infinity;
  for (let i = 0; i < n; i++, x += sx) best = Math.max(best, a[x]);
  return best;
}

/** The smallest of the n elements a[x + i*sx]; Infinity if there is none. */
export function minLoop(n: number, a: TypedArray, x: number, sx: number): number {
  let best = Infinity;
  for (let i = 0; i < n; i++, x += sx) best = Math.min(best, a[x]);
  return best;
}
