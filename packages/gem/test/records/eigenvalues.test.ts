// Eigenvalues against what is known of them: trace, determinant's sign changes, diagonal and rank-one matrices.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gramCondition, symmetricEigenvalues } from '../../src/eigenvalues.ts';

const vectors = fc.integer({ min: 1, max: 6 }).chain((n) =>
  fc.array(fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: n, maxLength: n }), {
    minLength: n,
    maxLength: n,
  }),
);
const gramOf = (rows: number[][]) => rows.map((a) => rows.map((b) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)));

test('their sum is the trace, the sum of their squares the squared Frobenius norm, and a Gram matrix has none below 0', () => {
  fc.assert(
    fc.property(vectors, (rows) => {
      const gram = gramOf(rows);
      const values = symmetricEigenvalues(gram);
      const size = gram.flat().reduce((sum, x) => sum + Math.abs(x), 0);
      const trace = gram.reduce((sum, row, i) => sum + row[i]!, 0);
      expect(Math.abs(values.reduce((a, b) => a + b, 0) - trace)).toBeLessThanOrEqual(1e-14 * size);
      const squares = gram.flat().reduce((sum, x) => sum + x * x, 0);
      expect(Math.abs(values.reduce((a, b) => a + b * b, 0) - squares)).toBeLessThanOrEqual(1e-14 * size * size);
      expect(values[0]!).toBeGreaterThanOrEqual(-1e-14 * size);
    }),
  );
});

test('closed forms', () => {
  expect(
    symmetricEigenvalues([
      [2, 1],
      [1, 2],
    ]),
  ).toEqual([1, 3].map((x) => expect.closeTo(x, 14)));
  expect(
    symmetricEigenvalues([
      [5, 0],
      [0, -3],
    ]),
  ).toEqual([-3, 5]);
  expect(symmetricEigenvalues([[0]])).toEqual([0]);
});

test('the condition number is that of the Gram matrix, and null for dependent vectors', () => {
  expect(
    gramCondition([
      [4, 0],
      [0, 1],
    ]),
  ).toBe(4);
  expect(
    gramCondition([
      [2, 1],
      [1, 2],
    ]),
  ).toBeCloseTo(3, 13);
  expect(
    gramCondition(
      gramOf([
        [1, 2, 3],
        [1, 2, 3],
      ]),
    ),
  ).toBeNull();
  expect(
    gramCondition(
      gramOf([
        [1, 2, 3],
        [0, 0, 0],
      ]),
    ),
  ).toBeNull();
});
