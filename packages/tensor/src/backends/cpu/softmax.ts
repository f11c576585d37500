// softmax and its logarithm along one axis, a line at a time, in float64 and rounded once at the end:
//
//     softmax(x)_i = exp(x_i - m) / s        logSoftmax(x)_i = (x_i - m) - log s        s = sum_j exp(x_j - m)
//
// m is the largest element, so that nothing overflows; where that is not finite, 0. The sum is in the order of fold-loops.ts.

import type { Softmax } from '../../primitives.ts';
import { exp } from './exp.ts';
import { maxLoop, sumLoop } from './fold-loops.ts';
import { logOfSum } from './log.ts';
import type { Loop1 } from './loops.ts';

/** A function for lines of up to `longest` elements, from a[x + i*sx] to out[o + i*so]. */
export function softmaxLine(op: Softmax, longest: number): Loop1 {
  const exps = new Float64Array(longest);
  return (n, out, o, so, a, x, sx) => {
    const largest = maxLoop(n, a, x, sx);
    const shift = Number.isFinite(largest) ? largest : 0;
    for (let i = 0; i < n; i++) exps[i] = exp(a[x + i * sx]! - shift);
    const sum = sumLoop(n, exps, 0, 1);
    if (op === 'softmax') {
      for (let i = 0; i < n; i++) out[o + i * so] = exps[i]! / sum;
    } else {
      const log = logOfSum(sum);
      for (let i = 0; i < n; i++) out[o + i * so] = a[x + i * sx]! - shift - log;
    }
  };
}
