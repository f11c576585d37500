// norm against its definition, over any axes, orders and scales; ONNX's reductions, which are written with it and its neighbours; and
// running products where their order matters. (NumPy's values are in golden.test.ts.)

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { devices, errors, type Tensor, tensor, zeros } from '../src/index.ts';
import { sum } from './laws/folding.ts';
import { expectModel, thrown } from './support/expect.ts';
import { folded, type Model, ulp } from './support/model.ts';
import { floats, type Sample, samples, shapes, tameValue } from './support/samples.ts';

const tame = fc
  .tuple(fc.constantFrom(...floats), shapes(0, 3))
  .chain(([dtype, shape]) => samples(dtype, shape, tameValue(dtype)));
const filled = fc
  .tuple(fc.constantFrom(...floats), fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }))
  .chain(([dtype, shape]) => samples(dtype, shape, tameValue(dtype)));

/** An error of one unit where the numbers are subnormal. */
const SMALLEST = 2 ** -1074;

/** The definition, for elements measured against the one that weighs most. */
function norm(values: readonly number[], ord: number): number {
  const sizes = values.map(Math.abs);
  if (ord === Infinity) return Math.max(...sizes);
  if (ord === -Infinity) return Math.min(...sizes);
  if (ord === 0) return sizes.filter((v) => v !== 0).length;
  const unit = (ord > 0 ? Math.max : Math.min)(...sizes);
  return values.length === 0 || unit === 0 ? 0 : unit * sum(sizes.map((v) => (v / unit) ** ord)) ** (1 / ord);
}

/** n roundings of the sum, and a few of each power and of the root, whose argument's error is divided by ord. */
function normModel(m: Model, axes: readonly number[], keepDims: boolean, ord: number): Model {
  const unit = m.dtype === 'float32' ? 2 ** -24 : 2 ** -53;
  const error = (v: number[]) => {
    const value = norm(v, ord);
    return Number.isFinite(ord) ? (16 + (8 + v.length) / Math.abs(ord)) * unit * value + ulp(0, m.dtype) : 0;
  };
  return {
    ...folded(m, axes, keepDims, m.dtype, (v) => norm(v, ord)),
    slack: folded(m, axes, keepDims, 'float64', error).values,
  };
}

describe.each(devices)('%s', (device) => {
  const law = (cases: fc.Arbitrary<Sample>, check: (x: Sample, axes: number[], keepDims: boolean) => void) =>
    fc.assert(
      fc.property(cases, fc.boolean(), fc.gen(), (x, keepDims, g) => {
        check(x, g(fc.subarray, [...x.model.shape.keys()]), keepDims);
      }),
      { numRuns: 40 },
    );

  test.each([1, 2, 3, 4, 1.5, 0.5, 0])('norm of order %d, 0 over nothing', (ord) => {
    law(tame, (x, axes, keepDims) => {
      expectModel(x.on(device).norm(ord, axes, { keepDims }), normModel(x.model, axes, keepDims, ord));
    });
  });

  test.each([Infinity, -Infinity, -1, -2.5])('norm of order %d', (ord) => {
    law(filled, (x, axes, keepDims) => {
      expectModel(x.on(device).norm(ord, axes, { keepDims }), normModel(x.model, axes, keepDims, ord));
    });
    const error = thrown(() => zeros([2, 0], { device }).norm(ord, 1));
    expect(error).toBeInstanceOf(errors.ShapeError);
    expect(error.message).toBe('norm: no elements to choose from along the folded axes of [2,0]');
  });

  test('the Euclidean norm scales by powers of two exactly, so that nothing is lost at either end', () => {
    const whole = fc.tuple(shapes(1, 3), fc.constant('float64' as const));
    const integers = whole.chain(([shape, dtype]) => samples(dtype, shape, fc.integer({ min: -999, max: 999 })));
    law(integers, (x, axes) => {
      const t = x.on(device);
      for (const power of [1000, -1000, 1, -1]) {
        const scaled = t.mul(2 ** power).norm(2, axes);
        // What does not fit when scaled does not fit as a norm either.
        expect(scaled.dataSync()).toEqual(
          t
            .norm(2, axes)
            .mul(2 ** power)
            .dataSync(),
        );
      }
    });
    const huge = tensor([3e38, 3e38], { device });
    expect(huge.mul(0.5).norm().item()).toBe(Math.fround(Math.fround(3e38) * 0.5 * Math.SQRT2));
    expect(huge.norm(3).item()).toBe(Infinity);
    expect(huge.mul(0.5).norm(3).item()).toBeCloseTo(1.5e38 * 2 ** (1 / 3), -32);
    for (const [most, dtype] of [
      [(2 - 2 ** -23) * 2 ** 127, 'float32'],
      [Number.MAX_VALUE, 'float64'],
    ] as const) {
      expect(tensor([most, 0], { dtype, device }).norm().item()).toBe(most);
      expect(tensor([most, most], { dtype, device }).norm().item()).toBe(Infinity);
    }
    expect(tensor([3e-45, 4e-45], { device }).norm().item()).toBe(Math.fround(5.6e-45));
    const tiny = tensor(Float64Array.of(3e-320, 4e-320), { device });
    expect(tiny.norm().item()).toBe(5e-320);
    expect((tiny.norm(4).item() as number) / 1e-320).toBeCloseTo(337 ** 0.25, 3);
  });

  test('orders as they should be: whole triangles, special values, integers, counts', () => {
    const of = (values: number[], ord?: number) => tensor(Float64Array.from(values), { device }).norm(ord).item();
    expect([of([3, -4]), of([5, 12]), of([1, 2, 2]), of([0, 0])]).toEqual([5, 13, 3, 0]);
    expect([of([1, Infinity]), of([1, -Infinity], 3), of([1, Infinity], -1)]).toEqual([Infinity, Infinity, 1]);
    for (const ord of [1, 2, 3, Infinity, -Infinity, -1]) expect(of([1, Number.NaN], ord)).toBeNaN();
    expect([of([0, 5], -1), of([0, 5], -Infinity), of([0, 0], 0.5)]).toEqual([0, 0, 0]);
    expect(of([0, -0, 3, Number.NaN], 0)).toBe(2);
    const ints = tensor(Int32Array.of(-(2 ** 31), 0), { device });
    expect([ints.norm().dtype, ints.norm().item(), ints.norm(1).item()]).toEqual(['float32', 2 ** 31, 2 ** 31]);
    expect(tensor([true, true, false, true, true], { device }).norm().item()).toBe(2);
    const error = thrown(() => ints.norm(Number.NaN));
    expect([error.name, error.message]).toEqual(['DataError', 'norm: ord must be a number, found NaN']);
    expect(() => ints.norm(2, 1)).toThrow(errors.AxisError);
  });

  test('norms fall as the order grows, and obey the triangle', () => {
    law(filled, (x) => {
      const t = x.on(device).cast('float64');
      const orders = [0.5, 1, 1.5, 2, 3, 10, Infinity].map((ord) => t.norm(ord).item() as number);
      orders.reduce((above, here) => {
        expect(here).toBeLessThanOrEqual(above * (1 + 1e-13) + SMALLEST);
        return here;
      });
      const other = t.flip();
      for (const ord of [1, 2, 3, Infinity]) {
        const sides = (t.norm(ord).item() as number) + (other.norm(ord).item() as number);
        expect(t.add(other).norm(ord).item()).toBeLessThanOrEqual(sides * (1 + 1e-13) + SMALLEST);
      }
    });
  });

  // https://onnx.ai/onnx/operators/: the reductions that have no method of their own.
  const onnx: Record<
    string,
    [(x: Tensor, axes: number[], o: { keepDims: boolean }) => Tensor, (v: number[]) => number]
  > = {
    ReduceL1: [(x, axes, o) => x.abs().sum(axes, o), (v) => sum(v.map(Math.abs))],
    ReduceL2: [(x, axes, o) => x.norm(2, axes, o), (v) => Math.sqrt(sum(v.map((a) => a * a)))],
    ReduceSumSquare: [(x, axes, o) => x.square().sum(axes, o), (v) => sum(v.map((a) => a * a))],
    ReduceLogSum: [(x, axes, o) => x.sum(axes, o).log(), (v) => Math.log(sum(v))],
    ReduceLogSumExp: [(x, axes, o) => x.logSumExp(axes, o), (v) => Math.log(sum(v.map(Math.exp)))],
  };
  test.each(Object.keys(onnx))('%s of ONNX', (name) => {
    const [run, definition] = onnx[name]!;
    const positive = fc
      .tuple(fc.constantFrom(...floats), shapes(0, 3))
      .chain(([dtype, shape]) => samples(dtype, shape, fc.constantFrom(0.25, 0.5, 1, 2, 3.5, 8)));
    law(positive, (x, axes, keepDims) => {
      const expected = folded(x.model, axes, keepDims, x.model.dtype, definition);
      const slack = expected.values.map((v) => 8 * ulp(v, x.model.dtype) + ulp(1, x.model.dtype));
      expectModel(run(x.on(device), axes, { keepDims }), { ...expected, slack });
    });
    // No axes: nothing is folded, as with noop_with_empty_axes.
    expect(run(tensor([2], { device }), [], { keepDims: false }).shape).toEqual([1]);
  });

  test('cumprod goes from the front, as NumPy does: products that are not asked for do not overflow', () => {
    const of = (values: number[]) => tensor(values, { device }).cumprod(0).toArray();
    expect(of([0, 1e30, 1e30])).toEqual([0, 0, 0]);
    expect(of([2 ** -100, 2 ** 100, 2 ** 100, 0.5])).toEqual([2 ** -100, 1, 2 ** 100, 2 ** 99]);
    expect(of([2, 0, Infinity, 3])).toEqual([2, 0, Number.NaN, Number.NaN]);
    // Rounded once: 1 + 2^-23 multiplied in float32 at each step would drift.
    const near = 1 + 2 ** -23;
    const powers = tensor(new Float32Array(100).fill(near), { device }).cumprod(0).dataSync();
    powers.forEach((v, i) => {
      expect(v).toBe(Math.fround(near ** (i + 1)));
    });
    expect(
      tensor(Int32Array.of(46341, 46341, 3), { device })
        .cumprod(0)
        .toArray(),
    ).toEqual([46341, -2147479015, -2147469749]);
    const bits = tensor([true, false, true], { device }).cumprod(-1);
    expect([bits.dtype, bits.toArray()]).toEqual(['int32', [1, 0, 0]]);
    expect(zeros([2, 0], { device }).cumprod(1).shape).toEqual([2, 0]);
    expect(thrown(() => zeros([2], { device }).cumprod(1))).toBeInstanceOf(errors.AxisError);
  });
});
