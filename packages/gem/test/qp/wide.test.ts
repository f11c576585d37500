// Numbers of 32 digits against whole numbers of any size: every float64 is one, times a power of two.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  by,
  minus,
  over,
  plus,
  root,
  type Wide,
  wideAdd,
  wideCholesky,
  wideDot,
  wideFrom,
  wideZeros,
} from '../../src/qp/wide.ts';
import { runs } from './problems.ts';

/** value * 2^400, exactly, for |value| in the range drawn here. */
function whole(value: number): bigint {
  let [x, shift] = [value, 400];
  while (!Number.isInteger(x)) {
    x *= 2;
    shift--;
  }
  return BigInt(x) << BigInt(shift);
}
const wholeOf = ([hi, lo]: Wide): bigint => whole(hi) + whole(lo);

/** Is a within 2^-98 of b, relative to `terms`? All times one power of two. */
function expectNear(a: bigint, b: bigint, terms: bigint): void {
  const error = a > b ? a - b : b - a;
  expect(error << 98n <= (terms < 0n ? -terms : terms) + 1n).toBe(true);
}

const float = fc.double({ min: -1e6, max: 1e6, noNaN: true }).filter((x) => x === 0 || Math.abs(x) > 1e-6);
const wide = fc.tuple(float, fc.double({ min: -1, max: 1, noNaN: true })).map(([hi, part]): Wide => {
  const lo = Math.fround(part) * Math.abs(hi) * 2 ** -54;
  return [hi, Math.abs(lo) > 1e-40 ? lo : 0];
});
const abs = (x: bigint) => (x < 0n ? -x : x);

describe('each operation is right to 2^-98', () => {
  test('sum, difference, product, quotient', () => {
    fc.assert(
      fc.property(wide, wide, (a, b) => {
        const [x, y] = [wholeOf(a), wholeOf(b)];
        expectNear(wholeOf(plus(a, b)), x + y, abs(x) + abs(y));
        expectNear(wholeOf(minus(a, b)), x - y, abs(x) + abs(y));
        expectNear(wholeOf(by(a, b)) << 400n, x * y, x * y);
        if (b[0] !== 0) expectNear(wholeOf(over(a, b)) * y, x << 400n, x << 400n);
      }),
      runs(150),
    );
  });

  test('square root', () => {
    fc.assert(
      fc.property(wide, (a) => {
        fc.pre(a[0] > 0);
        const r = wholeOf(root(a));
        expectNear(r * r, wholeOf(a) << 400n, wholeOf(a) << 402n);
      }),
    );
  });

  test('inner products and sums of vectors, relative to their terms', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(float, float), { minLength: 1, maxLength: 20 }), wide, (pairs, scale) => {
        const [a, b] = [wideFrom(pairs.map(([x]) => x)), wideFrom(pairs.map(([, y]) => y))];
        const products = pairs.map(([x, y]) => whole(x) * whole(y));
        const total = products.reduce((sum, p) => sum + p, 0n);
        const terms = products.reduce((sum, p) => sum + abs(p), 0n);
        expectNear(wholeOf(wideDot(a, 0, b, 0, pairs.length)) << 400n, total, 32n * terms);
        wideAdd(a, 0, scale, b, 0, pairs.length);
        pairs.forEach(([x, y], i) => {
          const moved = wholeOf(scale) * whole(y);
          expectNear(
            wholeOf([a.hi[i]!, a.lo[i]!]) << 400n,
            (whole(x) << 400n) + moved,
            (abs(whole(x)) << 400n) + abs(moved),
          );
        });
      }),
    );
  });
});

test('a Cholesky factor times itself is the matrix; an indefinite one has none', () => {
  const n = 6;
  // 1 / (i + j + 1) in whole numbers: conditioned like 1e7.
  const H = wideZeros(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) H.hi[i * n + j] = 27720 / (i + j + 1);
  const L = wideCholesky(H, n, 0, 0)!;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const [hi, lo] = minus(wideDot(L, i * n, L, j * n, n), [H.hi[i * n + j]!, 0]);
      expect(Math.abs(hi + lo)).toBeLessThanOrEqual(1e-25);
    }
  }
  H.hi[0] = -1;
  expect(wideCholesky(H, n, 0, 0)).toBeUndefined();
});
