// sort, topk, median and quantile: laws over any dtype, view and axis, with ties and NaN, and the edges. (The law of argsort is in
// laws/sorting.ts, NumPy's values are in golden.test.ts.)

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { devices, type errors, full, type Tensor, tensor, zeros } from '../src/index.ts';
import { sum } from './laws/folding.ts';
import { order, taken } from './laws/sorting.ts';
import { expectModel, thrown } from './support/expect.ts';
import { folded, type Model, tabulate, ulp } from './support/model.ts';
import { anySample, dtypes, floats, type Sample, samples, shapes, tameValue } from './support/samples.ts';

const cases = fc.tuple(anySample(dtypes, shapes(1, 3)), fc.nat(2), fc.boolean());
const filled = fc
  .tuple(fc.constantFrom(...dtypes), fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }))
  .chain(([dtype, shape]) => samples(dtype, shape, tameValue(dtype)));

/** The part of a model up to k along an axis. */
const firsts = (m: Model, axis: number, k: number): Model => {
  const places = tabulate(m.shape.with(axis, k), 'int32', (index) => index[axis]!);
  return taken(m, axis, places);
};

/** NumPy's definition: at position q (n - 1) of the sorted line. */
function quantile(values: readonly number[], q: number): number {
  const line = values.toSorted((a, b) => a - b);
  const place = q * (line.length - 1);
  const [a, b] = [line[Math.floor(place)]!, line[Math.ceil(place)]!];
  return a + (b - a) * (place - Math.floor(place));
}

describe.each(devices)('%s', (device) => {
  const law = (check: (x: Sample, axis: number, flag: boolean, t: Tensor) => void) =>
    fc.assert(
      fc.property(cases, ([x, n, flag]) => check(x, n % x.model.shape.length, flag, x.on(device))),
      { numRuns: 40 },
    );

  test('sort takes what argsort names, from either end of the axes', () => {
    law((x, axis, descending, t) => {
      const places = order(x.model, axis, descending);
      expectModel(t.argsort(axis - t.rank, { descending }), places);
      expectModel(t.sort(axis, { descending }), taken(x.model, axis, places));
      expect(t.sort(axis - t.rank, { descending }).dataSync()).toEqual(t.sort(axis, { descending }).dataSync());
    });
  });

  test('sorting twice changes nothing, and the order of equal elements is kept', () => {
    law((_, axis, descending, t) => {
      const once = t.sort(axis, { descending });
      expect(once.sort(axis, { descending }).dataSync()).toEqual(once.dataSync());
      // Sorting by a second key and then by the first sorts by both.
      const [first, second] = [t, t.flip(axis)];
      const bySecond = second.argsort(axis);
      const byBoth = bySecond.gather(axis, first.gather(axis, bySecond).argsort(axis));
      const [a, b] = [first.gather(axis, byBoth), second.gather(axis, byBoth)];
      const [a0, a1, b0, b1] = [a, b].flatMap((s) => {
        const part = (spec: [number | null, number | null]) =>
          s.slice(...s.shape.map((_, i) => (i === axis ? spec : null)));
        return t.shape[axis] === 0 ? [s, s] : [part([0, -1]), part([1, null])];
      }) as [Tensor, Tensor, Tensor, Tensor];
      const same = a0.eq(a1).logicalOr(a0.isNan().logicalAnd(a1.isNan()));
      expect(same.logicalNot().logicalOr(b0.le(b1)).logicalOr(b1.isNan()).all().item()).toBe(true);
    });
  });

  test('topk is the front of the sorted line, of which max and argmax are the first', () => {
    law((x, axis, largest, t) => {
      const size = t.shape[axis]!;
      for (let k = 0; k <= size; k++) {
        const { values, indices } = t.topk(k, axis, { largest });
        const places = firsts(order(x.model, axis, largest), axis, k);
        expectModel(indices, places);
        expectModel(values, taken(x.model, axis, places));
        // Unsorted they stand as they stood.
        const loose = t.topk(k, axis, { largest, sorted: false });
        expect(loose.indices.dataSync()).toEqual(indices.sort(axis).dataSync());
        expect(loose.values.dataSync()).toEqual(t.gather(axis, loose.indices).dataSync());
      }
      if (size > 0 && largest) {
        expect(t.topk(1, axis).indices.dataSync()).toEqual(t.argmax(axis, { keepDims: true }).dataSync());
      }
    });
    expect(Object.keys(tensor([2, 3, 1], { device }).topk(2))).toEqual(['values', 'indices']);
  });

  test('NaN is the largest: last, and first when descending', () => {
    const x = tensor([3, Number.NaN, -Infinity, Infinity, Number.NaN, -0, 0], { device });
    expect(x.sort().toArray()).toEqual([-Infinity, -0, 0, 3, Infinity, Number.NaN, Number.NaN]);
    expect(x.argsort().toArray()).toEqual([2, 5, 6, 0, 3, 1, 4]);
    expect(x.argsort(0, { descending: true }).toArray()).toEqual([1, 4, 3, 0, 5, 6, 2]);
    expect(x.topk(3, 0, { largest: false }).values.toArray()).toEqual([-Infinity, -0, 0]);
    expect(tensor([2, 1], { device }).sort()).toEqual(tensor([2, 1], { device }).sort(-1));
    const bottom = tensor(Int32Array.of(2, -(2 ** 31), 2 ** 31 - 1, 0), { device });
    expect(bottom.sort(0, { descending: true }).toArray()).toEqual([2 ** 31 - 1, 2, 0, -(2 ** 31)]);
    expect(tensor([true, false, true], { device }).sort().toArray()).toEqual([false, true, true]);
  });

  test('median and quantile', () => {
    fc.assert(
      fc.property(filled, fc.constantFrom(0, 0.25, 0.5, 0.3, 0.9, 1), fc.boolean(), fc.gen(), (x, q, keepDims, g) => {
        const axes = g(fc.subarray, [...x.model.shape.keys()]);
        const dtype = x.model.dtype === 'float64' ? 'float64' : 'float32';
        const as: Model = {
          ...x.model,
          dtype,
          values: x.model.values.map((v) => (dtype === 'float32' ? Math.fround(v) : v)),
        };
        const expected = folded(as, axes, keepDims, dtype, (v) => quantile(v, q));
        // Three roundings beside the larger of the two neighbours.
        const slack = folded(as, axes, keepDims, 'float64', (v) => 3 * ulp(sum(v.map(Math.abs)), dtype)).values;
        const t = x.on(device);
        expectModel(t.quantile(q, axes, { keepDims }), { ...expected, slack });
        if (q === 0.5)
          expect(t.median(axes, { keepDims }).dataSync()).toEqual(t.quantile(q, axes, { keepDims }).dataSync());
        // The ends are the extremes, and no quantile lies outside of its line.
        expect(t.quantile(0, axes).eq(t.cast(dtype).min(axes)).all().item()).toBe(true);
        expect(t.quantile(1, axes).eq(t.cast(dtype).max(axes)).all().item()).toBe(true);
        const [low, middle, high] = [0, q, 1].map((p) => t.quantile(p, axes)) as [Tensor, Tensor, Tensor];
        expect(low.le(middle).logicalAnd(middle.le(high)).all().item()).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test('several fractions are stacked along a new first axis', () => {
    const x = tensor(
      [
        [4, 1, 3],
        [0, 10, 5],
      ],
      { device },
    );
    expect(x.quantile([0, 0.5, 1], 1).toArray()).toEqual([
      [1, 0],
      [3, 5],
      [4, 10],
    ]);
    expect(x.quantile([0.5], 1, { keepDims: true }).shape).toEqual([1, 2, 1]);
    expect(x.quantile([0.25, 0.75]).shape).toEqual([2]);
  });

  test('quantiles of special values', () => {
    const of = (values: number[], q: number) => tensor(values, { device }).quantile(q).item();
    expect([of([1, Number.NaN, 2], 0), of([Number.NaN], 1)]).toEqual([Number.NaN, Number.NaN]);
    expect([of([Infinity, Infinity], 0.5), of([1, Infinity], 0.3), of([-Infinity, Infinity], 0.5)]).toEqual([
      Infinity,
      Infinity,
      Number.NaN,
    ]);
    // Their difference is no float32.
    expect(of([-3e38, 3e38], 0.5)).toBe(0);
    expect(of([7], 0.9)).toBe(7);
    for (const dtype of floats) {
      for (const value of [0.1, -0.3, 1e-40]) {
        const constant = full([4], value, { dtype, device });
        for (const q of [0.1, 0.3, 0.77, 0.9]) expect(constant.quantile(q).item()).toBe(constant.max().item());
      }
    }
    expect(tensor(Int32Array.of(1, 2), { device }).median().item()).toBe(1.5);
    expect(tensor(5, { device }).median().item()).toBe(5);
  });

  test('empty lines, scalars and bad arguments', () => {
    const empty = zeros([2, 0, 3], { device });
    expect([empty.sort(1).shape, empty.argsort(1).dtype, empty.sort().shape]).toEqual([[2, 0, 3], 'int32', [2, 0, 3]]);
    expect(empty.topk(0, 1).values.shape).toEqual([2, 0, 3]);
    expect(empty.topk(2, 2).indices.shape).toEqual([2, 0, 2]);
    expect(empty.median(2).shape).toEqual([2, 0]);
    const x = zeros([2, 3], { device });
    const refused: [() => unknown, keyof typeof errors, string][] = [
      [
        () => tensor(1, { device }).sort(),
        'AxisError',
        'sort: axis -1 is out of range for rank 0; a scalar has no axes',
      ],
      [() => x.argsort(2), 'AxisError', 'argsort: axis 2 is out of range for rank 2; valid axes are -2..1'],
      [() => x.topk(4), 'ShapeError', 'topk: k must be an integer from 0 to 3, the size of axis 1 of [2,3], found 4'],
      [
        () => x.topk(1.5, 0),
        'ShapeError',
        'topk: k must be an integer from 0 to 2, the size of axis 0 of [2,3], found 1.5',
      ],
      [() => x.topk(-1), 'ShapeError', 'topk: k must be an integer from 0 to 3, the size of axis 1 of [2,3], found -1'],
      [() => x.quantile(1.5), 'DataError', 'quantile: a fraction must be from 0 to 1, found 1.5'],
      [() => x.quantile([0.5, Number.NaN]), 'DataError', 'quantile: a fraction must be from 0 to 1, found NaN'],
      [() => x.quantile([]), 'ShapeError', 'quantile: no fractions asked for'],
      [() => empty.median(1), 'ShapeError', 'quantile: no elements along the folded axes of [2,0,3]'],
      [() => x.median(2), 'AxisError', 'quantile: axis 2 is out of range for rank 2; valid axes are -2..1'],
    ];
    for (const [run, kind, message] of refused) {
      const error = thrown(run);
      expect([error.name, error.message]).toEqual([kind, message]);
    }
  });
});
