// The logarithm of sums on the cpu: that of Math, and as vectors the same bits.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { logOfSum, logVectors } from '../src/backends/cpu/log.ts';
import { compileMap } from './support/wasm.ts';

const sums = fc.oneof(
  fc.double({ min: 1, max: 2 ** 31, maxExcluded: true, noNaN: true }),
  fc.double({ min: 1, max: 4, noNaN: true }),
  // Around powers of two f is tiny.
  fc
    .tuple(fc.integer({ min: 0, max: 30 }), fc.double({ min: -(2 ** -19), max: 2 ** -19, noNaN: true }))
    .map(([k, f]) => Math.max(1, 2 ** k * (1 + f))),
  fc.integer({ min: 1, max: 1000 }),
);
const edges: [number, number][] = [
  [1, 0],
  [0, -Infinity],
  [Infinity, Infinity],
  [Number.NaN, Number.NaN],
];

test('is that of Math, give or take a unit in the last place', () => {
  fc.assert(
    fc.property(sums, (x) => {
      const [found, expected] = [logOfSum(x), Math.log(x)];
      expect(Math.abs(found - expected)).toBeLessThanOrEqual(2 ** -52 * Math.abs(expected));
    }),
    { numRuns: 5000 },
  );
});

test('is exact to the last digits just above 1, where log(1 + f) = f - f^2/2 + f^3/3', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 30 }), (n) => {
      const f = n * 2 ** -52;
      const series = f - f * f * (0.5 - f / 3);
      expect(Math.abs(logOfSum(1 + f) - series)).toBeLessThanOrEqual(2 ** -52 * series);
    }),
  );
});

test.each(edges)('of %d is %d', (x, expected) => {
  expect(logOfSum(x)).toBe(expected);
});

test('the vectors have the same bits', () => {
  const run = compileMap(logVectors);
  const any = fc.oneof(sums, sums, fc.constantFrom(...edges.map(([x]) => x)));
  fc.assert(
    fc.property(any, any, (a, b) => {
      expect(run(a, b)).toEqual([logOfSum(a), logOfSum(b)]);
    }),
    { numRuns: 5000 },
  );
});
