// Matrix products: NumPy's rules for 1-d operands and leading axes, over every kind of view, against sums written out.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DType, devices, errors, eye, ones, Rng, randn, type Tensor, tensor, zeros } from '../src/index.ts';
import { product } from './laws/folding.ts';
import { expectModel, leavingUntouched, thrown } from './support/expect.ts';
import { broadcast, expanded, type Model } from './support/model.ts';
import { numeric, type Sample, samples, sizes, tameValue } from './support/samples.ts';

/** NumPy's matmul: 1-d operands get an axis that the result loses again, leading axes broadcast. */
function matmul(a: Model, b: Model): Model {
  const left = a.shape.length === 1 ? { ...a, shape: [1, ...a.shape] } : a;
  const right = b.shape.length === 1 ? { ...b, shape: [...b.shape, 1] } : b;
  const batch = broadcast(left.shape.slice(0, -2), right.shape.slice(0, -2))!;
  const whole = (m: Model) => expanded(m, [...batch, ...m.shape.slice(-2)]);
  const out = product(whole(left), whole(right));
  const shape = out.shape.filter((_, i) => {
    if (a.shape.length === 1 && i === out.shape.length - 2) return false;
    return !(b.shape.length === 1 && i === out.shape.length - 1);
  });
  return { ...out, shape };
}

const operands: fc.Arbitrary<[Sample, Sample]> = fc
  .tuple(
    fc.constantFrom(...numeric),
    sizes,
    sizes,
    sizes,
    fc.array(fc.tuple(sizes, fc.nat(3)), { maxLength: 2 }),
    fc.nat(3),
  )
  .chain(([dtype, m, k, n, batch, form]) => {
    // Leading axes are whole on both sides, or 1 on one side.
    const a = batch.map(([d, part]) => (part === 1 ? 1 : d));
    const b = batch.map(([d, part]) => (part === 2 ? 1 : d));
    const value = tameValue(dtype);
    return fc.tuple(
      samples(dtype, form === 1 || form === 3 ? [k] : [...a, m, k], value),
      samples(dtype, form === 2 || form === 3 ? [k] : [...b.slice(b[0] === 1 ? 1 : 0), k, n], value),
    );
  });

describe.each(devices)('%s', (device) => {
  const make = (data: number[][] | number[], dtype: DType = 'float32') => tensor(data, { dtype, device });

  test('any operands that fit', () => {
    fc.assert(
      fc.property(operands, ([a, b]) => {
        const [x, y] = [a.on(device), b.on(device)];
        expectModel(
          leavingUntouched([x, y], () => x.matmul(y)),
          matmul(a.model, b.model),
        );
      }),
      { numRuns: 150 },
    );
  });

  test('small products, by hand', () => {
    const [a, v] = [
      make([
        [1, 2],
        [3, 4],
      ]),
      make([5, 6]),
    ];
    expect(a.matmul(a).toArray()).toEqual([
      [7, 10],
      [15, 22],
    ]);
    expect([a.matmul(v).toArray(), v.matmul(a).toArray(), v.matmul(v).item()]).toEqual([[17, 39], [23, 34], 61]);
    expect(a.matmul(a.transpose()).toArray()).toEqual([
      [5, 11],
      [11, 25],
    ]);
    expect(a.matmul(eye(2, 2, { device })).toArray()).toEqual(a.toArray());
    expect(a.unsqueeze(0).expand([3, 2, 2]).matmul(v).toArray()).toEqual([
      [17, 39],
      [17, 39],
      [17, 39],
    ]);
    expect(make([[1, 0]], 'bool').matmul(make([[1], [1]], 'bool')).dtype).toBe('int32');
    expect(
      make([[2]], 'int32')
        .matmul(make([[0.5]], 'float64'))
        .toArray(),
    ).toEqual([[1]]);
  });

  test('with a dtype it is the product of the operands cast to it', () => {
    const rng = new Rng(8);
    const [a, b] = [randn([7, 40], rng, { device }), randn([40, 6], rng, { device })];
    const wide = (x: Tensor) => x.cast('float64');
    const close = (x: Tensor, y: Tensor) => {
      expect(x.dtype).toBe('float64');
      expect(x.shape).toEqual(y.shape);
      expect(x.sub(y).abs().max().item()).toBeLessThan(1e-13);
    };
    const f64 = { dtype: 'float64' } as const;
    close(a.matmul(b, f64), wide(a).matmul(wide(b)));
    close(wide(a).matmul(b, f64), wide(a).matmul(wide(b)));
    close(a.matmul(wide(b).flip(0), f64), wide(a).matmul(wide(b).flip(0)));
    close(a.matmul(a.transpose(), f64), wide(a).matmul(wide(a).transpose()));
    close(a.matmul(b.slice(null, 2), f64), wide(a).matmul(wide(b).slice(null, 2)));
    close(a.slice(3).matmul(b, f64), wide(a).slice(3).matmul(wide(b)));
    close(
      a.reshape([7, 5, 8]).matmul(b.slice([0, 8]), f64),
      wide(a)
        .reshape([7, 5, 8])
        .matmul(wide(b).slice([0, 8])),
    );
    close(a.round().cast('int32').matmul(b, f64), wide(a).round().matmul(wide(b)));
    expect(a.matmul(b, { dtype: 'int32' }).dtype).toBe('int32');
    expect(wide(a).matmul(b, { dtype: 'float32' }).toArray()).toEqual(a.matmul(b).toArray());
    const lost = make([2 ** 24, 1, -(2 ** 24)]);
    expect(lost.matmul(make([1, 1, 1]), f64).item()).toBe(1);
    expect(thrown(() => a.matmul(b, { dtype: 'bool' })).message).toBe(
      "matmul: products are numbers, found dtype 'bool'; did you mean 'int32'?",
    );
  });

  test('an empty inner axis gives zeros, an empty outer one nothing', () => {
    for (const dtype of numeric) {
      const empty = (...shape: number[]) => zeros(shape, { dtype, device });
      expect(empty(2, 0).matmul(empty(0, 3)).toArray()).toEqual([
        [0, 0, 0],
        [0, 0, 0],
      ]);
      expect(empty(0, 2).matmul(empty(2, 3)).shape).toEqual([0, 3]);
      expect(empty(2, 3).matmul(empty(3, 0)).shape).toEqual([2, 0]);
      expect(empty(0, 2, 3).matmul(empty(3, 4)).shape).toEqual([0, 2, 4]);
      expect(empty(0).matmul(empty(0)).item()).toBe(0);
    }
  });

  test('NaN and infinity reach the elements they belong to, and no others', () => {
    const x = make([
      [Number.NaN, 0],
      [1, Infinity],
    ]);
    expect(
      x
        .matmul(
          make([
            [1, 2],
            [0, 1],
          ]),
        )
        .toArray(),
    ).toEqual([
      [Number.NaN, Number.NaN],
      [Number.NaN, Infinity],
    ]);
    expect(
      make([[1, 2]])
        .matmul(
          make([
            [1, Number.NaN],
            [1, 0],
          ]),
        )
        .toArray(),
    ).toEqual([[3, Number.NaN]]);
  });

  // Large enough for the blocked kernels; integers below 2^24 make every order of summation exact.
  test.each([
    ['float32', 23, 70, 18],
    ['float64', 13, 40, 11],
    ['int32', 9, 20, 7],
  ] as const)('%s [%i,%i] x [%i] through every kind of view', (dtype, m, k, n) => {
    const rng = new Rng(5);
    const ints = (rows: number, columns: number) =>
      randn([rows, columns], rng, { std: 20, device }).round().cast(dtype);
    const naive = (a: Tensor, b: Tensor) => {
      const [x, y] = [a.toArray() as number[][], b.toArray() as number[][]];
      return x.map((row) => y[0]!.map((_, j) => row.reduce((total, v, i) => total + v * y[i]![j]!, 0)));
    };
    const [a, b] = [ints(m, k), ints(k, n)];
    const expected = naive(a, b);
    expect(a.matmul(b).toArray()).toEqual(expected);
    expect(a.transpose().copy().transpose().matmul(b).toArray()).toEqual(expected);
    expect(a.matmul(b.transpose().copy().transpose()).toArray()).toEqual(expected);
    expect(a.flip().copy().flip().matmul(b.flip(1).copy().flip(1)).toArray()).toEqual(expected);
    const wide = ints(2 * m, 3 * k).slice([null, null, 2], [1, null, 3]);
    expect(wide.matmul(b).toArray()).toEqual(naive(wide, b));
    const row = ints(1, k).expand([m, k]);
    expect(row.matmul(b).toArray()).toEqual(naive(row, b));
    expect(a.transpose().matmul(a).toArray()).toEqual(naive(a.transpose(), a));
  });

  test('what does not fit is explained', () => {
    const x = (...shape: number[]) => ones(shape, { device });
    expect(thrown(() => x(2, 3).matmul(x(4, 3))).message).toBe(
      'matmul: inner dimensions differ: [2,3] x [4,3] (3 != 4); did you mean b.transpose()?',
    );
    expect(thrown(() => x(2, 3).matmul(x(2, 4))).message).toBe(
      'matmul: inner dimensions differ: [2,3] x [2,4] (3 != 2)',
    );
    expect(thrown(() => x(3).matmul(x(4))).message).toBe('matmul: inner dimensions differ: [3] x [4] (3 != 4)');
    expect(thrown(() => x(2, 2, 3).matmul(x(5, 3, 2))).message).toBe(
      'matmul, leading axes: shapes [2] and [5] do not broadcast: 2 and 5 differ on axis -1 and neither is 1',
    );
    expect(thrown(() => x().matmul(x(3))).message).toBe('matmul: a scalar has no inner dimension; did you mean mul?');
    for (const [a, b] of [
      [x(2, 3), x(4, 3)],
      [x(), x(1)],
    ] as const)
      expect(thrown(() => a.matmul(b))).toBeInstanceOf(errors.ShapeError);
  });
});
