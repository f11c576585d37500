// Factors and systems of equations, judged by what they are for: L L' = A, A x = b, det(AB) = det(A) det(B). Rounding is bounded as
// the theory of backward error does it: a computed factor or solution is exact for a matrix within c n eps |A| of A, however
// ill-conditioned A is (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., chapters 8 to 10).

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  arange,
  type Device,
  type DType,
  devices,
  errors,
  eye,
  full,
  ones,
  Rng,
  randn,
  type Tensor,
  tensor,
  zeros,
} from '../src/index.ts';
import { expectModel, leavingUntouched, thrown } from './support/expect.ts';
import { broadcast, tabulate } from './support/model.ts';
import { floats, sizes } from './support/samples.ts';

const eps = (dtype: DType): number => (dtype === 'float64' ? 2 ** -52 : 2 ** -23);
const largest = (x: Tensor): number => (x.size === 0 ? 0 : (x.abs().max().item() as number));

/** 1 / (i + j + 1): the condition grows like e^(3.5 n). */
function hilbert(n: number, dtype: DType, device: Device): Tensor {
  const i = arange(0, n, 1, { dtype, device });
  return i.unsqueeze(1).add(i).add(1).reciprocal();
}

/** Shapes of systems and batches; awkward ones have rows of very different size. */
const systems = fc
  .record({
    n: sizes,
    m: sizes,
    a: fc.constantFrom([], [2], [3, 1], [1, 2]),
    b: fc.constantFrom([], [2], [1], [3, 2]),
    dtype: fc.constantFrom(...floats),
    seed: fc.nat(),
    awkward: fc.boolean(),
  })
  .filter(({ a, b }) => broadcast(a, b) !== null);

describe.each(devices)('%s', (device) => {
  const make = (data: number[][] | number[], dtype: DType = 'float64') => tensor(data, { dtype, device });
  const random = (shape: readonly number[], rng: Rng, dtype: DType) => randn(shape, rng, { dtype, device });

  test('solve: the residual is of the size of rounding, for any batch', () => {
    fc.assert(
      fc.property(systems, ({ n, m, a, b, dtype, seed, awkward }) => {
        const rng = new Rng(seed);
        const scale = awkward ? random([n, 1], rng, dtype).mul(8).exp() : ones([n, 1], { dtype, device });
        const matrix = random([...a, n, n], rng, dtype).mul(scale);
        const right = random([...b, n, m], rng, dtype);
        const x = leavingUntouched([matrix, right], () => matrix.solve(right));
        expect([x.dtype, ...x.shape]).toEqual([dtype, ...broadcast(a, b)!, n, m]);
        if (x.size === 0) return;
        // |A x - b| <= c n eps max|U| sum|x|, and complete pivoting keeps max|U| within 2 max|A| at these n (Higham, 9.3).
        const bound = matrix
          .abs()
          .max([-2, -1], { keepDims: true })
          .mul(x.abs().sum(-2, { keepDims: true }));
        const residual = matrix.matmul(x).sub(right).abs();
        expect(
          residual
            .le(bound.mul(4 * n * eps(dtype)))
            .all()
            .item(),
        ).toBe(true);
      }),
      { numRuns: 80 },
    );
  });

  test('a vector on the right is a vector on the left', () => {
    const rng = new Rng(1);
    const a = random([2, 4, 4], rng, 'float64');
    const b = random([4], rng, 'float64');
    expect(a.solve(b).shape).toEqual([2, 4]);
    expect(a.solve(b).toArray()).toEqual(a.solve(b.unsqueeze(1)).squeeze(-1).toArray());
    expect(a.slice(0).solve(b).shape).toEqual([4]);
    expect(zeros([0, 0], { device }).solve(zeros([0], { device })).shape).toEqual([0]);
    expect(zeros([3, 0, 0], { device }).solve(zeros([0, 2], { device })).shape).toEqual([3, 0, 2]);
    expect(zeros([0, 2, 2], { device }).solve(zeros([2], { device })).shape).toEqual([0, 2]);
  });

  test('small systems, exactly', () => {
    const a = make([
      [0, 2, 1],
      [1, 0, 0],
      [0, 0, 4],
    ]);
    expect(a.solve(make([5, 7, 4])).toArray()).toEqual([7, 2, 1]);
    expect(a.det().item()).toBe(-8);
    expect(a.inv().matmul(a).toArray()).toEqual(eye(3, 3, { device }).toArray());
    const integers = make(
      [
        [2, 0],
        [0, 4],
      ],
      'int32',
    );
    expect([integers.inv().dtype, integers.inv().toArray()]).toEqual([
      'float32',
      [
        [0.5, 0],
        [0, 0.25],
      ],
    ]);
    expect([integers.det().dtype, integers.cholesky().dtype, integers.solve(make([2, 4])).dtype]).toEqual([
      'float32',
      'float32',
      'float64',
    ]);
    expect(
      make(
        [
          [1, 0],
          [1, 1],
        ],
        'bool',
      )
        .triangularSolve(make([1, 1], 'int32'))
        .toArray(),
    ).toEqual([1, 0]);
  });

  test.each([3, 6, 10, 14])('Hilbert matrix of order %i: tiny residuals at any condition', (n) => {
    const h = hilbert(n, 'float64', device);
    const b = h.matmul(ones([n], { dtype: 'float64', device }));
    const x = h.solve(b);
    expect(largest(h.matmul(x).sub(b))).toBeLessThanOrEqual(
      n * eps('float64') * largest(h) * n * Math.max(1, largest(x)),
    );
    if (n > 12) return;
    const l = h.cholesky();
    expect(largest(l.matmul(l.transpose()).sub(h))).toBeLessThanOrEqual((n + 1) * eps('float64') * largest(h));
    // And where the condition leaves something, the solution itself: the error is below the condition number times eps.
    const condition = [524, 1.5e7, 1.6e13][[3, 6, 10].indexOf(n)]!;
    expect(largest(x.sub(1))).toBeLessThanOrEqual(n * condition * eps('float64'));
  });

  test('int32 beside float64 is not rounded to float32 on the way', () => {
    expect(
      make([[1, 0, 0, 2 ** 24 + 1]], 'int32')
        .reshape([2, 2])
        .solve(make([0, 2 ** 24 + 1]))
        .toArray(),
    ).toEqual([0, 1]);
  });

  test("cholesky: L is lower with a positive diagonal, and L L' = A", () => {
    fc.assert(
      fc.property(systems, ({ n, a: batch, dtype, seed }) => {
        const rng = new Rng(seed);
        const root = random([...batch, n, n], rng, dtype);
        const a = root.matmul(root.transpose()).add(eye(n, n, { dtype, device }).mul(0.01));
        const l = leavingUntouched([a], () => a.cholesky());
        expect([l.dtype, ...l.shape]).toEqual([dtype, ...a.shape]);
        expect(l.eq(l.tril()).all().item()).toBe(true);
        expect(l.diagonal(0, -2, -1).gt(0).all().item()).toBe(true);
        const off = l.matmul(l.transpose()).sub(a).abs();
        expect(largest(off)).toBeLessThanOrEqual(4 * (n + 1) * eps(dtype) * largest(a));
        // What stands above the diagonal is not read.
        const other = a.tril().add(full([n, n], 7, { dtype, device }).triu(1));
        expect(other.cholesky().toArray()).toEqual(l.toArray());
      }),
      { numRuns: 60 },
    );
  });

  test('triangularSolve reads one triangle, and none of the diagonal where it is 1', () => {
    fc.assert(
      fc.property(systems, fc.boolean(), fc.boolean(), ({ n, m, a, b, dtype, seed }, upper, unitDiagonal) => {
        const rng = new Rng(seed);
        const whole = random([...a, n, n], rng, dtype).add(eye(n, n, { dtype, device }).mul(3));
        const right = random([...b, n, m], rng, dtype);
        const x = leavingUntouched([whole, right], () => whole.triangularSolve(right, { upper, unitDiagonal }));
        const part = upper ? whole.triu(unitDiagonal ? 1 : 0) : whole.tril(unitDiagonal ? -1 : 0);
        const read = unitDiagonal ? part.add(eye(n, n, { dtype, device })) : part;
        expect([x.dtype, ...x.shape]).toEqual([dtype, ...broadcast(a, b)!, n, m]);
        // Substitution solves a system within n eps of this one, element by element (Higham, theorem 8.5).
        const bound = read
          .abs()
          .matmul(x.abs())
          .add(right.abs())
          .mul(2 * (n + 1) * eps(dtype));
        expect(read.matmul(x).sub(right).abs().le(bound).all().item()).toBe(true);
      }),
      { numRuns: 80 },
    );
  });

  test('det is alternating and multiplicative; of small integers it is the Leibniz sum', () => {
    const squares = fc
      .integer({ min: 0, max: 4 })
      .chain((n) =>
        fc
          .array(fc.integer({ min: -3, max: 3 }), { minLength: n * n, maxLength: n * n })
          .map((values) => ({ n, values })),
      );
    const leibniz = (values: readonly number[], n: number): number => {
      if (n === 0) return 1;
      // Expanded along the first row.
      return Array.from({ length: n }, (_, j) => {
        const minor = values.filter((_, i) => i >= n && i % n !== j);
        return (j % 2 === 0 ? 1 : -1) * values[j]! * leibniz(minor, n - 1);
      }).reduce((sum, v) => sum + v, 0);
    };
    fc.assert(
      fc.property(squares, ({ n, values }) => {
        const a = tensor(Float64Array.from(values), { shape: [n, n], device });
        expect(Math.abs((a.det().item() as number) - leibniz(values, n))).toBeLessThanOrEqual(1e-12 * 81 * 9);
        // A determinant of integers that is 0 is found as 0, by rank: exactly where elimination meets no fractions.
        expect(a.det().sub(a.transpose().det()).abs().item()).toBeLessThanOrEqual(1e-9);
      }),
      { numRuns: 100 },
    );
    const rng = new Rng(3);
    const [p, q] = [random([5, 4, 4], rng, 'float64'), random([4, 4], rng, 'float64')];
    const off = p.matmul(q).det().sub(p.det().mul(q.det())).abs();
    expect(largest(off)).toBeLessThanOrEqual(1e-12 * largest(p.det()) * largest(q.det()));
    expect([zeros([3, 3], { device }).det().item(), zeros([2, 0, 0], { device }).det().toArray()]).toEqual([0, [1, 1]]);
  });

  test('what is NaN stays NaN, in its matrix of the batch alone', () => {
    const a = make([1, 2, 3, 4, 2, 0, 0, 2], 'float64').reshape([2, 2, 2]);
    const holes = a.add(make([Number.NaN, 0, 0, 0, 0, 0, 0, 0]).reshape([2, 2, 2]));
    const x = holes.solve(make([2, 4]));
    expect([x.slice(0).isNan().any().item(), x.slice(1).toArray()]).toEqual([true, [1, 2]]);
    expect([holes.det().slice(0).isNan().item(), holes.det().slice(1).item()]).toEqual([true, 4]);
  });

  test('views: any strides', () => {
    const wide = random([3, 8, 8], new Rng(9), 'float64');
    const a = wide.slice(null, [null, null, -2], [null, null, 2]).transpose();
    const [b, dense] = [wide.slice(0, [0, 4], [0, 3]).flip(0), a.copy()];
    expect(a.solve(b).toArray()).toEqual(dense.solve(b.copy()).toArray());
    expectModel(
      a.inv().matmul(a).round().abs(),
      tabulate([3, 4, 4], 'float64', ([, i, j]) => Number(i === j)),
    );
  });

  const x = (...shape: number[]) => ones(shape, { device });
  const indefinite = () =>
    make([
      [4, 2, 2],
      [2, 1, 5],
      [2, 5, 9],
    ]);
  test.each<[string, () => Tensor, typeof errors.GemlabError, string, Record<string, unknown>]>([
    [
      'cholesky of what is not positive definite',
      () => indefinite().cholesky(),
      errors.NotPositiveDefiniteError,
      'cholesky: the matrix is not positive definite: its leading minor of order 2 is not positive',
      { shape: [3, 3], matrix: 0, order: 2 },
    ],
    [
      'cholesky of a negative number, in a batch',
      () =>
        full([2, 2, 1, 1], 1, { device })
          .sub(eye(2, 2, { device }).reshape([2, 2, 1, 1]).flip(0).mul(2))
          .cholesky(),
      errors.NotPositiveDefiniteError,
      'cholesky: matrix [0,1] of [2,2,1,1] is not positive definite: its leading minor of order 1 is not positive',
      { shape: [2, 2, 1, 1], matrix: 1, order: 1 },
    ],
    [
      'cholesky of NaN',
      () => full([1, 1], Number.NaN, { device }).cholesky(),
      errors.NotPositiveDefiniteError,
      'cholesky: the matrix is not positive definite: its leading minor of order 1 is not positive',
      { shape: [1, 1], matrix: 0, order: 1 },
    ],
    [
      'a singular system',
      () => x(3, 3).solve(x(3)),
      errors.SingularMatrixError,
      'solve: the matrix is singular: its pivot 2 of 3 is 0',
      { shape: [3, 3], matrix: 0, pivot: 1 },
    ],
    [
      'one singular matrix of several',
      () => make([1, 0, 0, 1, 2, 4, 1, 2]).reshape([2, 2, 2]).inv(),
      errors.SingularMatrixError,
      'inv: matrix [1] of [2,2,2] is singular: its pivot 2 of 2 is 0',
      { shape: [2, 2, 2], matrix: 1, pivot: 1 },
    ],
    [
      'a zero on the diagonal',
      () =>
        make([
          [1, 0],
          [3, 0],
        ]).triangularSolve(x(2)),
      errors.SingularMatrixError,
      'triangularSolve: the matrix is singular: its pivot 2 of 2 is 0',
      { shape: [2, 2], matrix: 0, pivot: 1 },
    ],
    [
      'a matrix that is not square',
      () => x(2, 3).solve(x(2)),
      errors.ShapeError,
      'solve: wants square matrices, [..., n, n], found [2,3]',
      { shape: [2, 3] },
    ],
    [
      'a vector',
      () => x(2).det(),
      errors.ShapeError,
      'det: wants square matrices, [..., n, n], found [2]',
      { shape: [2] },
    ],
    [
      'a right side of another length',
      () => x(2, 2).solve(x(3)),
      errors.ShapeError,
      'solve: beside matrices [2,2] b must be [2] or [..., 2, m], found [3]',
      { shapes: [[2, 2], [3]] },
    ],
    [
      'a scalar on the right',
      () => x(2, 2).triangularSolve(x()),
      errors.ShapeError,
      'triangularSolve: beside matrices [2,2] b must be [2] or [..., 2, m], found []',
      { shapes: [[2, 2], []] },
    ],
    [
      'batches that do not broadcast',
      () => x(2, 2, 2).solve(x(3, 2, 2)),
      errors.ShapeError,
      'solve, leading axes: shapes [2] and [3] do not broadcast: 2 and 3 differ on axis -1 and neither is 1',
      { shapes: [[2], [3]], axis: -1 },
    ],
  ])('refuses %s', (_, fn, kind, message, fields) => {
    const error = thrown(fn) as errors.GemlabError;
    expect(error.message).toBe(message);
    expect(error).toBeInstanceOf(kind);
    expect(error.fields).toEqual(fields);
  });
});
