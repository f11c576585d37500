// Choosing by weight, with the same bits everywhere: sums in order, and logarithms of our own (gaussian.ts).
//
//   with replacement:    the first index whose running sum of weights exceeds u * total
//   without:             the k smallest of e_i / w_i, with e_i exponential: the one that comes first in a race of rates w_i, then the
//                        next, which is choosing one after the other among what is left
// Source of the race: Efraimidis and Spirakis, "Weighted random sampling with a reservoir", IPL 97 (2006).

import { exactLog } from './gaussian.ts';
import type { WordStream } from './philox.ts';

/** `out` filled with indices with replacement; two words each, and a redraw where u * total rounds up to the total. */
export function weightedWithReplacement(words: WordStream, weights: ArrayLike<number>, out: Int32Array): Int32Array {
  const sums = new Float64Array(weights.length);
  let total = 0;
  for (let i = 0; i < sums.length; i++) sums[i] = total += weights[i]!;
  for (let i = 0; i < out.length; i++) {
    let mark = total;
    while (mark >= total) mark = words.unit53() * total;
    let [low, high] = [0, sums.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! > mark) high = middle;
      else low = middle + 1;
    }
    out[i] = low;
  }
  return out;
}

/** k different indices, in the order in which they are chosen; two words for each of all the weights. */
export function weightedWithoutReplacement(words: WordStream, weights: ArrayLike<number>, k: number): Int32Array {
  // Weight 0 is infinitely late; a weight above 0 is not, however small.
  const times = Array.from(weights, (weight) => {
    const time = -exactLog(words.open52()) / weight;
    return weight === 0 ? time : Math.min(time, Number.MAX_VALUE);
  });
  const order = [...times.keys()].sort(
    (i, j) => Number(times[i]! > times[j]!) - Number(times[i]! < times[j]!) || i - j,
  );
  return Int32Array.from(order.slice(0, k));
}
