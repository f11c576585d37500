// Reductions over any axes, named from either end, with and without keepDims, over empty axes and special values.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Axes, devices, errors, full, type ReduceOptions, type Tensor, tensor, zeros } from '../src/index.ts';
import { firstExtreme, reduction, runningSum, sum, sumSlack } from './laws/folding.ts';
import { expectModel, thrown } from './support/expect.ts';
import { folded, type Model, stored, ulp } from './support/model.ts';
import {
  anySample,
  anyValue,
  dtypes,
  floats,
  numeric,
  type Sample,
  samples,
  shapes,
  tameValue,
} from './support/samples.ts';

/** bool counts as int32. */
const counted = (m: Model): Model => (m.dtype === 'bool' ? { ...m, dtype: 'int32' } : m);

/** How axes are written: from either end, as a single number, or left out when they are all of them. */
function spelled(axes: readonly number[], rank: number, g: fc.GeneratorValue): Axes | undefined {
  const names = axes.map((a) => (g(fc.boolean) ? a : a - rank));
  if (axes.length === rank && g(fc.boolean)) return undefined;
  return names.length === 1 && g(fc.boolean) ? names[0]! : g(fc.shuffledSubarray, names, { minLength: names.length });
}

describe.each(devices)('%s', (device) => {
  /** Calls a reduction over some of the sample's axes, and hands the axes to the check. */
  const law = (
    cases: fc.Arbitrary<Sample>,
    op: (x: Tensor, axes: Axes | undefined, options: ReduceOptions) => Tensor,
    expected: (m: Model, axes: readonly number[], keepDims: boolean) => Model,
  ) =>
    fc.assert(
      fc.property(cases, fc.boolean(), fc.gen(), (x, keepDims, g) => {
        const rank = x.model.shape.length;
        const axes = g(fc.subarray, [...x.model.shape.keys()]);
        const found = op(x.on(device), spelled(axes, rank, g), keepDims ? { keepDims } : {});
        expectModel(found, expected(x.model, axes, keepDims));
      }),
      { numRuns: 50 },
    );
  const tame = fc
    .tuple(fc.constantFrom(...dtypes), shapes(0, 3))
    .chain(([dtype, shape]) => samples(dtype, shape, tameValue(dtype)));
  const filled = anySample(dtypes, fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }));

  test('sum', () => {
    law(
      tame,
      (x, axes, o) => x.sum(axes, o),
      (m, axes, keep) => reduction('sum', counted(m), axes, keep),
    );
  });

  test('sum of special values', () => {
    const special = (values: number[]) => tensor(values, { device }).sum().item();
    expect(special([])).toBe(0);
    expect(special([1, Infinity])).toBe(Infinity);
    expect(special([Infinity, -Infinity])).toBe(Number.NaN);
    expect(special([1, Number.NaN])).toBe(Number.NaN);
    expect(special([3e38, 3e38])).toBe(Infinity);
    // The total is a float64 until the end, so large terms may cancel.
    expect(special([3e38, 3e38, -3e38])).toBe(Math.fround(3e38));
  });

  test('sums are as good as float64 sums, where float32 sums would stand still', () => {
    const ones = full([1000], 1, { device });
    const x = tensor([2 ** 24, ...ones.dataSync()], { device });
    expect(x.sum().item()).toBe(2 ** 24 + 1000);
    expect(x.cumsum(0).slice(-1).item()).toBe(2 ** 24 + 1000);
    expect(x.mean().item()).toBe(Math.fround(Math.fround(2 ** 24 + 1000) / 1001));
  });

  test('max and min: NaN wins', () => {
    law(
      filled,
      (x, axes, o) => x.max(axes, o),
      (m, axes, keep) => reduction('max', m, axes, keep),
    );
    law(
      filled,
      (x, axes, o) => x.min(axes, o),
      (m, axes, keep) => reduction('min', m, axes, keep),
    );
  });

  test('any and all: NaN is true', () => {
    const bits = (m: Model, axes: readonly number[], keep: boolean, f: (v: boolean[]) => boolean) =>
      folded(m, axes, keep, 'bool', (values) => Number(f(values.map((v) => v !== 0))));
    law(
      anySample(),
      (x, axes, o) => x.any(axes, o),
      (m, axes, keep) => bits(m, axes, keep, (v) => v.includes(true)),
    );
    law(
      anySample(),
      (x, axes, o) => x.all(axes, o),
      (m, axes, keep) => bits(m, axes, keep, (v) => !v.includes(false)),
    );
  });

  test('mean', () => {
    law(
      tame,
      (x, axes, o) => x.mean(axes, o),
      (m, axes, keep) => {
        const dtype = m.dtype === 'float64' ? 'float64' : 'float32';
        const n = axes.reduce((count, a) => count * m.shape[a]!, 1);
        // The sum's slack, divided, and one rounding of the quotient. Integers become floats first, with an error of their own.
        const slack = (v: number[]) =>
          (sumSlack(v, dtype) + sum(v.map((x) => ulp(x, dtype)))) / n + ulp(sum(v) / n, dtype);
        return {
          ...folded(m, axes, keep, dtype, (v) => sum(v) / v.length),
          slack: folded(m, axes, keep, 'float64', slack).values,
        };
      },
    );
  });

  test('prod: exact for integers, one rounding for each product of floats', () => {
    const value = fc.oneof(
      fc.constantFrom(0, 1, -1, 0.5),
      fc.double({ min: 0.25, max: 2 }),
      fc.double({ min: -2, max: -0.25 }),
    );
    const cases = fc
      .tuple(fc.constantFrom(...floats), fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }))
      .chain(([dtype, shape]) =>
        samples(
          dtype,
          shape,
          value.map((v) => stored(v, dtype)),
        ),
      );
    law(
      cases,
      (x, axes, o) => x.prod(axes, o),
      (m, axes, keep) => {
        const product = (v: number[]) => v.reduce((a, b) => a * b, 1);
        const unit = m.dtype === 'float32' ? 2 ** -24 : 2 ** -53;
        const slack = folded(m, axes, keep, 'float64', (v) => 2 * v.length * unit * Math.abs(product(v))).values;
        return { ...folded(m, axes, keep, m.dtype, product), slack };
      },
    );
    const wrapped = (v: number[]) =>
      Number(
        BigInt.asIntN(
          32,
          v.reduce((a, b) => a * BigInt(b), 1n),
        ),
      );
    law(
      anySample(['bool', 'int32']),
      (x, axes, o) => x.prod(axes, o),
      (m, axes, keep) => folded(m, axes, keep, 'int32', wrapped),
    );
  });

  test('argmax and argmin: the first NaN, else the first extreme; along an axis or in all', () => {
    const cases = anySample(dtypes, fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }));
    fc.assert(
      fc.property(cases, fc.nat(2), fc.boolean(), (x, n, keepDims) => {
        const rank = x.model.shape.length;
        const axis = n % rank;
        for (const op of ['argmax', 'argmin'] as const) {
          const find = (values: number[]) => firstExtreme(op, values);
          const t = x.on(device);
          expectModel(t[op](axis, { keepDims }), folded(x.model, [axis], keepDims, 'int32', find));
          expectModel(t[op](axis - rank), folded(x.model, [axis], false, 'int32', find));
          expectModel(
            t[op](undefined, { keepDims }),
            folded(x.model, [...x.model.shape.keys()], keepDims, 'int32', find),
          );
        }
      }),
      { numRuns: 50 },
    );
    expect(tensor(3, { device }).argmax().item()).toBe(0);
  });

  test('cumsum', () => {
    const cases = fc
      .tuple(fc.constantFrom(...dtypes), shapes(1, 3), fc.nat(2))
      .chain(([dtype, shape, n]) => fc.tuple(samples(dtype, shape, tameValue(dtype)), fc.constant(n % shape.length)));
    fc.assert(
      fc.property(cases, ([x, axis]) => {
        const t = x.on(device);
        expectModel(t.cumsum(axis), runningSum(counted(x.model), axis));
        expect(t.cumsum(axis - t.rank).toArray()).toEqual(t.cumsum(axis).toArray());
      }),
      { numRuns: 50 },
    );
  });

  test('nothing to fold', () => {
    const empty = zeros([2, 0, 3], { device });
    expect([empty.sum().item(), empty.prod().item(), empty.any().item(), empty.all().item()]).toEqual([
      0,
      1,
      false,
      true,
    ]);
    expect([empty.mean().item(), empty.var().item()]).toEqual([Number.NaN, Number.NaN]);
    expect(empty.sum(1).toArray()).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect(empty.prod([1, 2], { keepDims: true }).toArray()).toEqual([[[1]], [[1]]]);
    expect(empty.max(0).shape).toEqual([0, 3]);
    expect(empty.argmin(2).shape).toEqual([2, 0]);
    for (const op of ['max', 'min', 'argmax', 'argmin'] as const) {
      const error = thrown(() => empty[op](1));
      expect(error).toBeInstanceOf(errors.ShapeError);
      expect(error.message).toBe(`${op}: no elements to choose from along the folded axes of [2,0,3]`);
      expect(() => empty[op]()).toThrow(errors.ShapeError);
    }
  });

  test('no axes means no folding', () => {
    const x = tensor([[1, 2]], { device });
    for (const op of ['sum', 'max', 'min', 'mean', 'prod'] as const) expect(x[op]([]).toArray()).toEqual([[1, 2]]);
    expect(x.any([]).toArray()).toEqual([[true, true]]);
    expect(tensor(5, { device }).sum().shape).toEqual([]);
  });

  test('axes are checked', () => {
    const x = zeros([2, 3], { device });
    expect(thrown(() => x.sum(2)).message).toBe('sum: axis 2 is out of range for rank 2; valid axes are -2..1');
    expect(thrown(() => x.mean([-3])).message).toContain('axis -3 is out of range');
    expect(thrown(() => x.max([0, -2])).message).toBe('max: an axis is named twice in [0,-2] for rank 2');
    expect(thrown(() => x.prod(0.5)).message).toContain('prod: axis 0.5');
    expect(thrown(() => x.argmax(5)).message).toContain('argmax: axis 5');
    expect(thrown(() => tensor(1, { device }).cumsum(0)).message).toBe(
      'cumsum: axis 0 is out of range for rank 0; a scalar has no axes',
    );
    for (const fn of [() => x.sum(2), () => x.max([0, -2]), () => x.softmax(9)])
      expect(thrown(fn)).toBeInstanceOf(errors.AxisError);
  });

  test('each dtype keeps its own', () => {
    const kinds = numeric.map((dtype) => full([2], 3, { dtype, device }));
    expect(kinds.map((x) => [x.sum().dtype, x.sum().item(), x.max().item(), x.prod().item()])).toEqual(
      numeric.map((d) => [d, 6, 3, 9]),
    );
    fc.assert(
      fc.property(fc.array(anyValue('bool'), { minLength: 1 }), (bits) => {
        const x = tensor(Uint8Array.from(bits), { dtype: 'bool', device });
        expect([x.max().item(), x.min().item()]).toEqual([bits.includes(1), !bits.includes(0)]);
      }),
    );
  });
});
