// exp of the cpu: below one unit in the last place off, right at the edges, and as vectors the same bits.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exp, expVectors } from '../src/backends/cpu/exp.ts';
import { compileSoftmax } from '../src/backends/cpu/softmax-kernel.ts';
import { compileMap, createArena, numbers } from './support/wasm.ts';

// --- The exponential as a fraction of integers: fixed point, 300 binary places ---------------------------------------------------

const ONE = 2n ** 300n;

/** sum of x^n / n! for |x| < 1. */
function series(x: bigint): bigint {
  let [sum, term] = [0n, ONE];
  for (let n = 1n; term !== 0n; n++) {
    sum += term;
    term = (term * x) / (ONE * n);
  }
  return sum;
}

/** A double as fixed point: exact, as what lies below 2^-300 does not occur here. */
function fixed(x: number): bigint {
  let [digits, power] = [x, 0n];
  for (; !Number.isInteger(digits); digits *= 2) power++;
  return (BigInt(digits) * ONE) / 2n ** power;
}

/** e^x = (e^(x/1024))^1024. */
function exact(x: number): bigint {
  let power = series(fixed(x) / 1024n);
  for (let i = 0; i < 10; i++) power = (power * power) / ONE;
  return power;
}

/** The distance from one double to the next, at y > 0. */
const ulp = (y: number): number => {
  const bits = new BigInt64Array(Float64Array.of(y).buffer);
  return new Float64Array(BigInt64Array.of(bits[0] + 1n).buffer)[0] - y;
};

test.each([
  [1, 1500],
  [40, 1500],
  [0.001, 200],
])('exp is less than a unit in the last place off, for |x| < %f', (range, count) => {
  const draw = numbers(range);
  let worst = 0;
  for (let i = 0; i < count; i++) {
    const x = (range * draw()) / 8;
    const found = exp(x);
    // Units in the last place, to three digits.
    const error = ((fixed(found) - exact(x)) * 1000n) / fixed(ulp(found));
    worst = Math.max(worst, Math.abs(Number(error)) / 1000);
  }
  expect(worst).toBeGreaterThan(0.3);
  expect(worst).toBeLessThan(1);
});

test('exp is that of Math, give or take a unit, over all of its range and among subnormal results', () => {
  const close = (x: number) => {
    const [found, expected] = [exp(x), Math.exp(x)];
    expect(Math.abs(found - expected), `exp(${x})`).toBeLessThanOrEqual(2 * ulp(expected));
  };
  fc.assert(fc.property(fc.double({ min: -745.2, max: 709.78, noNaN: true }), close), { numRuns: 2000 });
  fc.assert(fc.property(fc.double({ min: -745.2, max: -708, noNaN: true }), close), { numRuns: 1000 });
});

const edges: [number, number][] = [
  [0, 1],
  [-0, 1],
  [1e-300, 1],
  [5e-324, 1],
  [-1e-20, 1],
  [Number.NaN, Number.NaN],
  [Infinity, Infinity],
  [-Infinity, 0],
  [709.7827128933841, Infinity],
  [1e300, Infinity],
  [-745.1332191019411, 5e-324],
  [-745.1332191019412, 0],
  [-1e300, 0],
];

test.each(edges)('exp(%d) is %d', (x, expected) => {
  expect(exp(x)).toBe(expected);
});

test('the vectors have the bits of exp, rounded to float32', () => {
  const arena = createArena(2 ** 16);
  const kernel = compileSoftmax(arena.memory)!;
  const length = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constantFrom(0, 1, 2, 3, 4, 5, 8));
  const scale = fc.constantFrom(1e-9, 0.1, 1, 20, 100);
  const shift = fc.integer({ min: 0, max: 3 });
  fc.assert(
    fc.property(length, scale, shift, shift, fc.integer(), (n, range, s, t, seed) => {
      const draw = numbers(seed, 'special');
      const x = arena.put(
        Float32Array.from({ length: n }, () => range * draw()),
        s,
      );
      const out = arena.put(new Float32Array(n), t);
      kernel.exp(n, x.byteOffset, out.byteOffset);
      expect(out.slice()).toEqual(x.map(exp));
      arena.check();
    }),
    { numRuns: 500 },
  );
});

test('before they are rounded the vectors have the bits of exp too', () => {
  const run = compileMap(expVectors);
  fc.assert(
    fc.property(fc.oneof(fc.double(), fc.double({ min: -750, max: 712 })), fc.double(), (a, b) => {
      expect(run(a, b)).toEqual([exp(a), exp(b)]);
    }),
    { numRuns: 2000 },
  );
});
