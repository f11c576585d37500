// Do two libraries compute the same thing? The largest difference, beside the largest magnitude.

import { type ArrayFile, readArray } from './host-array.ts';

/** What differs between two lists of results by more than the tolerance; null if nothing does. */
export function mismatch(
  expected: readonly ArrayFile[],
  found: readonly ArrayFile[],
  tolerance: number,
): string | null {
  if (found.length !== expected.length) return `it gave ${found.length} results in place of ${expected.length}`;
  for (const [i, file] of found.entries()) {
    const [a, b] = [readArray(expected[i]!).data, readArray(file).data];
    if (a.length !== b.length) return `result ${i} has ${b.length} elements in place of ${a.length}`;
    let [size, difference, at] = [0, 0, 0];
    for (let j = 0; j < a.length; j++) {
      if (Number.isFinite(a[j])) size = Math.max(size, Math.abs(a[j]!));
      // What is not a number agrees with nothing.
      const off = Number.isFinite(a[j]! - b[j]!) ? Math.abs(a[j]! - b[j]!) : Infinity;
      if (off > difference) [difference, at] = [off, j];
    }
    if (difference > tolerance * size) {
      return `result ${i} differs at ${at}: ${b[at]} in place of ${a[at]} (tolerance ${tolerance} of ${size})`;
    }
  }
  return null;
}
