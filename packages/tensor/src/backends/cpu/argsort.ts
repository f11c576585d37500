// Stable sorting of one line by merges from the bottom up: runs of 1, 2, 4, ... elements, already sorted, are merged in pairs. Keys and
// their places move together between two pairs of arrays. NaN, the largest, is taken out first and put behind the numbers, or before them
// when descending; a descending order of numbers is the ascending one of their negatives.

import type { TypedArray } from '../../dtype.ts';

/** order[o + k*so] = i where the k-th of the sorted elements a[x + i*sx], i < n, stands. */
export type SortLine = (
  n: number,
  order: TypedArray,
  o: number,
  so: number,
  a: TypedArray,
  x: number,
  sx: number,
  descending: boolean,
) => void;

/** For lines of up to `most` elements. */
export function createSortLine(most: number): SortLine {
  const keys = new Float64Array(most);
  const places = new Int32Array(most);
  const otherKeys = new Float64Array(most);
  const otherPlaces = new Int32Array(most);

  /** Sorts the first n places by their keys, and gives the array that then holds them. */
  const sort = (n: number): Int32Array => {
    let [from, fromPlaces, to, toPlaces] = [keys, places, otherKeys, otherPlaces];
    for (let run = 1; run < n; run *= 2) {
      for (let low = 0; low < n; low += 2 * run) {
        merge(from, fromPlaces, to, toPlaces, low, Math.min(low + run, n), Math.min(low + 2 * run, n));
      }
      [from, fromPlaces, to, toPlaces] = [to, toPlaces, from, fromPlaces];
    }
    return fromPlaces;
  };

  return (n, order, o, so, a, x, sx, descending) => {
    let numbers = 0;
    for (let i = 0; i < n; i++) {
      const v = a[x + i * sx]!;
      if (Number.isNaN(v)) continue;
      keys[numbers] = descending ? -v : v;
      places[numbers++] = i;
    }
    const sorted = sort(numbers);
    const first = descending ? n - numbers : 0;
    for (let k = 0; k < numbers; k++) order[o + (first + k) * so] = sorted[k]!;
    let k = descending ? 0 : numbers;
    for (let i = 0; i < n && numbers < n; i++) if (Number.isNaN(a[x + i * sx]!)) order[o + k++ * so] = i;
  };
}

/** Merges the sorted runs [low, middle) and [middle, high); of equal keys that of the first run goes first. */
function merge(
  from: Float64Array,
  fromPlaces: Int32Array,
  to: Float64Array,
  toPlaces: Int32Array,
  low: number,
  middle: number,
  high: number,
): void {
  let left = low;
  let right = middle;
  for (let k = low; k < high; k++) {
    const at = right >= high || (left < middle && from[left]! <= from[right]!) ? left++ : right++;
    to[k] = from[at]!;
    toPlaces[k] = fromPlaces[at]!;
  }
}
