// var, std and the softmax family: compositions, so their bounds are those of their parts added up. u is the unit roundoff.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Device, type DType, devices, type Tensor, tensor, zeros } from '../src/index.ts';
import { sum } from './laws/folding.ts';
import { expectModel } from './support/expect.ts';
import { folded, type Index, lineAt, type Model, tabulate, ulp } from './support/model.ts';
import { floats, type Sample, samples, shapes, tameValue } from './support/samples.ts';

const unit = (dtype: DType) => (dtype === 'float32' ? 2 ** -24 : 2 ** -53);
const tame = fc
  .tuple(fc.constantFrom(...floats), shapes(1, 3), fc.nat(2))
  .chain(([dtype, shape, n]) => fc.tuple(samples(dtype, shape, tameValue(dtype)), fc.constant(n % shape.length)));

/** A fold with its value and its slack computed side by side. */
function bounded(
  m: Model,
  axes: readonly number[],
  keepDims: boolean,
  f: (values: number[]) => [number, number],
): Model {
  const slack = folded(m, axes, keepDims, 'float64', (v) => f(v)[1]).values;
  return { ...folded(m, axes, keepDims, m.dtype, (v) => f(v)[0]), slack };
}

/**
 * The variance and its error. The computed mean is off by d, which moves sum (x - mean)^2 by n d^2; the differences, squares and
 * quotient round by a relative 5u, this model by as much in float64; the sums of n squares, in two orders, by n units of float64 each.
 */
function variance(values: readonly number[], correction: number, dtype: DType): [number, number] {
  const n = values.length;
  const u = unit(dtype);
  const mean = sum(values) / n;
  const squares = sum(values.map((v) => (v - mean) ** 2));
  const d = 2 * u * Math.abs(mean) + 2 * 2 ** -53 * sum(values.map(Math.abs));
  const spread = Math.max(0, n - correction);
  return [squares / spread, (n * d * d + (10 * u + 2 * n * 2 ** -53) * (squares + n * d * d)) / spread + ulp(0, dtype)];
}

/** A function of an element and of the line through it along an axis, and its error. */
function along(
  m: Model,
  axis: number,
  f: (line: number[], i: number) => number,
  error: (line: number[], value: number) => number,
): Model {
  const element = (index: Index) => f(lineAt(m, axis, index), index[axis]!);
  const slack = tabulate(m.shape, 'float64', (index) => error(lineAt(m, axis, index), element(index))).values;
  return { ...tabulate(m.shape, m.dtype, element), slack };
}

const range = (values: readonly number[]) => Math.max(...values) - Math.min(...values);

describe.each(devices)('%s', (device: Device) => {
  const law = (check: (x: Sample, axis: number, t: Tensor) => void) =>
    fc.assert(
      fc.property(tame, ([x, axis]) => check(x, axis, x.on(device))),
      { numRuns: 50 },
    );

  test('var and std', () => {
    law((x, axis, t) => {
      const { dtype } = x.model;
      for (const correction of [0, 1]) {
        const expected = (values: number[]) => variance(values, correction, dtype);
        expectModel(t.var(axis, { correction }), bounded(x.model, [axis], false, expected));
        expectModel(
          t.var(undefined, { correction, keepDims: true }),
          bounded(x.model, [...x.model.shape.keys()], true, expected),
        );
        // A root's error is its argument's divided by its own size, or the argument's root near 0.
        const deviation = (values: number[]): [number, number] => {
          const [v, slack] = expected(values);
          return [Math.sqrt(v), Math.min(slack / Math.sqrt(v), Math.sqrt(slack)) + ulp(Math.sqrt(v), dtype)];
        };
        expectModel(t.std(axis, { correction }), bounded(x.model, [axis], false, deviation));
      }
      expect(t.var(axis).toArray()).toEqual(t.var(axis, { correction: 1 }).toArray());
    });
  });

  test('the variance of large, close numbers does not cancel; of one number it is unknown', () => {
    const x = tensor([10000, 10001, 10002], { device });
    expect([x.var().item(), x.var(0, { correction: 0 }).item()]).toEqual([1, Math.fround(2 / 3)]);
    expect([tensor([5], { device }).var().item(), tensor([5], { device }).std().item()]).toEqual([
      Number.NaN,
      Number.NaN,
    ]);
    expect(tensor([5], { device }).var(0, { correction: 0 }).item()).toBe(0);
    expect(tensor([1, Infinity], { device }).var().item()).toBe(Number.NaN);
    expect(tensor(Int32Array.of(1, 2), { device }).var().item()).toBe(0.5);
  });

  /**
   * e = exp(x - max) is off by a relative (range + 1)u, its sum by that and u, the quotient by u more; the softmax of
   * a large range underflows, which is an absolute error of the smallest number.
   */
  test('softmax', () => {
    law((x, axis, t) => {
      const u = unit(x.model.dtype);
      const values = (v: number[]) => v.map((a) => Math.exp(a - Math.max(...v)));
      const share = (v: number[], i: number) => values(v)[i]! / sum(values(v));
      expectModel(
        t.softmax(axis),
        along(x.model, axis, share, (v, s) => s * (2 * range(v) + 10) * u + 2 * ulp(0, x.model.dtype)),
      );
      for (const total of t.softmax(axis).cast('float64').sum(axis).dataSync()) {
        if (t.shape[axis]! > 0) expect(Math.abs(total - 1)).toBeLessThanOrEqual(t.shape[axis]! * 4 * u);
      }
    });
  });

  /** The differences are off by u range, the logarithm by the relative error of its argument and its own rounding. */
  test('logSoftmax and logSumExp', () => {
    law((x, axis, t) => {
      const { dtype } = x.model;
      const u = unit(dtype);
      const log = (v: number[]) => Math.log(sum(v.map((a) => Math.exp(a - Math.max(...v)))));
      const error = (v: number[], s: number) => (2 * range(v) + 10 + 4 * log(v)) * u + 2 * ulp(s, dtype);
      const logShare = (v: number[], i: number) => v[i]! - Math.max(...v) - log(v);
      expectModel(t.logSoftmax(axis), along(x.model, axis, logShare, error));
      const total = (v: number[]): [number, number] => {
        const value = v.length === 0 ? -Infinity : Math.max(...v) + log(v);
        return [value, v.length === 0 ? 0 : error(v, value)];
      };
      expectModel(t.logSumExp(axis), bounded(x.model, [axis], false, total));
      expectModel(t.logSumExp(undefined, { keepDims: true }), bounded(x.model, [...x.model.shape.keys()], true, total));
    });
  });

  test('nothing overflows, infinities are weights of all or nothing', () => {
    const x = tensor([1000, 1000], { device });
    expect(x.softmax().toArray()).toEqual([0.5, 0.5]);
    expect(x.logSumExp().item()).toBe(Math.fround(1000 + Math.LN2));
    expect(tensor([-1000, 0], { device }).logSoftmax().toArray()).toEqual([-1000, 0]);
    const masked = tensor([-Infinity, 0, 0], { device });
    expect(masked.softmax().toArray()).toEqual([0, 0.5, 0.5]);
    expect(masked.logSoftmax().slice(0).item()).toBe(-Infinity);
    expect(tensor([-Infinity, -Infinity], { device }).logSumExp().item()).toBe(-Infinity);
    expect(tensor([-Infinity, -Infinity], { device }).softmax().toArray()).toEqual([Number.NaN, Number.NaN]);
    expect(tensor([Infinity, 0], { device }).logSumExp().item()).toBe(Infinity);
    expect(tensor([Number.NaN, 0], { device }).logSumExp().item()).toBe(Number.NaN);
    expect(zeros([0], { device }).logSumExp().item()).toBe(-Infinity);
    expect([zeros([2, 0], { device }).softmax().shape, zeros([0, 2], { device }).logSoftmax(0).shape]).toEqual([
      [2, 0],
      [0, 2],
    ]);
  });
});
