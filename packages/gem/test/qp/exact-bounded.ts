// min 1/2 x'Px + q'x, x >= lb, for a positive definite P without any rounding, in whole numbers of any size (see exact-projection.ts).
//
// Every set of variables off their bounds gives one candidate by Cramer's rule; the one that satisfies the KKT conditions is the minimum.

import { cramer, inner, quotient, wholeNumbers } from '../project/exact-projection.ts';

/** x and the minimum, each correct to the last bit or so. At most 10 variables: all of their subsets are tried. */
export function exactBounded(P: readonly number[][], q: readonly number[], lb: readonly number[]) {
  const n = q.length;
  const curvature = wholeNumbers(P.flat());
  const bound = wholeNumbers(lb);
  const linear = wholeNumbers(q);
  // x in units of the bounds' exponent, P x and q in the smaller of theirs.
  const unit = Math.min(curvature.exponent + bound.exponent, linear.exponent);
  const raised = (values: readonly bigint[], by: number) => values.map((value) => value << BigInt(by));
  const flat = raised(curvature.whole, curvature.exponent + bound.exponent - unit);
  const H = q.map((_, i) => flat.slice(i * n, (i + 1) * n));
  const g = raised(linear.whole, linear.exponent - unit);
  const low = bound.whole;
  for (let subset = 0; subset < 2 ** n; subset++) {
    const free = q.flatMap((_, i) => ((subset >> i) & 1 ? [i] : []));
    const atBound = low.map((value, i) => (free.includes(i) ? 0n : value));
    const solution = cramer(
      free.map((i) => free.map((j) => H[i]![j]!)),
      free.map((i) => -(g[i]! + inner(H[i]!, atBound))),
    );
    if (solution === undefined) continue;
    const { numerators, denominator } = solution;
    const x = atBound.map((value) => value * denominator);
    free.forEach((i, k) => {
      x[i] = numerators[k]!;
    });
    const gradient = H.map((row, i) => inner(row, x) + g[i]! * denominator);
    const isOptimal = x.every((value, i) => value >= low[i]! * denominator && (free.includes(i) || gradient[i]! >= 0n));
    if (!isOptimal) continue;
    const twice = x.reduce((sum, value, i) => sum + value * (gradient[i]! + g[i]! * denominator), 0n);
    return {
      x: x.map((value) => quotient(value, denominator, bound.exponent)),
      objective: quotient(twice, 2n * denominator * denominator, unit + bound.exponent),
    };
  }
  throw new Error('no subset of the variables satisfies the KKT conditions: P is not positive definite');
}
