// erf and erfc against mpmath (fixtures/erf.json, written by fixtures/make_erf.py), and the identities that join their parts.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { erf, erfc } from '../src/erf.ts';
import { ulp } from './support/model.ts';

const rows = JSON.parse(readFileSync(new URL('./fixtures/erf.json', import.meta.url), 'utf8')) as [
  x: number,
  erf: number,
  erfc: number,
][];

test.each([
  ['erf', erf, 1],
  ['erfc', erfc, 2],
] as const)('%s is within 4 units in the last place, in the tail too', (_, f, column) => {
  const off = rows.map((row) => Math.abs(f(row[0]) - row[column]) / ulp(row[column], 'float64'));
  expect(Math.max(...off)).toBeLessThanOrEqual(4);
});

test('zeros, infinities and NaN', () => {
  expect([0, -0, Infinity, -Infinity, Number.NaN, 5e-324].map(erf)).toEqual([0, -0, 1, -1, Number.NaN, 5e-324]);
  expect([0, -0, Infinity, -Infinity, Number.NaN].map(erfc)).toEqual([1, 1, 0, 2, Number.NaN]);
});

test('erf is odd, erfc(x) + erfc(-x) = 2, and both are monotone across the joint of their two forms', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (x) => {
      expect(erf(-x)).toBe(-erf(x));
      expect(Math.abs(erfc(x) + erfc(-x) - 2)).toBeLessThanOrEqual(Number.EPSILON);
      expect(Math.abs(erf(x) + erfc(x) - 1)).toBeLessThanOrEqual(Number.EPSILON);
    }),
  );
  const around = [0.5 - 1e-9, 0.5 - 1e-12, 0.5, 0.5 + 1e-12, 0.5 + 1e-9];
  expect(around.map(erf)).toEqual(around.map(erf).toSorted((a, b) => a - b));
  expect(around.map(erfc)).toEqual(around.map(erfc).toSorted((a, b) => b - a));
});
