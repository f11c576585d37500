// Laws of the primitives that add up or choose: reductions, running sums and products of matrices.

import fc from 'fast-check';
import type { DType } from '../../src/index.ts';
import { ARG_REDUCE, REDUCE, SCAN, SOFTMAX } from '../../src/primitives.ts';
import { at, folded, type Index, lineAt, type Model, stored, tabulate, ulp } from '../support/model.ts';
import { anySample, anyValue, dtypes, floats, numeric, samples, shapes, sizes, tameValue } from '../support/samples.ts';
import * as scalars from '../support/scalars.ts';
import { each, type Law, oneOf } from './case.ts';

export const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
export const integerSum = (values: readonly number[]) =>
  Number(
    BigInt.asIntN(
      32,
      values.reduce((a, b) => a + BigInt(b), 0n),
    ),
  );

/** Any order of summation in float64 is within n u sum|x| of the true sum, this one's too; then the result is rounded. */
export function sumSlack(values: readonly number[], dtype: DType): number {
  return 2 * values.length * 2 ** -53 * sum(values.map(Math.abs)) + ulp(sum(values), dtype);
}

/** No axis is empty: the op layer refuses extremes of nothing. */
const filled = (minRank: number) => fc.array(fc.integer({ min: 1, max: 4 }), { minLength: minRank, maxLength: 3 });

const chosen = (better: (a: number, b: number) => boolean) => (values: number[]) =>
  values.find(Number.isNaN) ?? values.reduce((best, v) => (better(v, best) ? v : best));

export function reduction(op: (typeof REDUCE)[number], x: Model, axes: readonly number[], keepDims: boolean): Model {
  const fold = (f: (values: number[]) => number) => folded(x, axes, keepDims, x.dtype, f);
  if (op === 'max') return fold(chosen((a, b) => a > b));
  if (op === 'min') return fold(chosen((a, b) => a < b));
  if (x.dtype === 'int32') return fold(integerSum);
  return { ...fold(sum), slack: folded(x, axes, false, 'float64', (values) => sumSlack(values, x.dtype)).values };
}

const reduce = (op: (typeof REDUCE)[number]): Law<typeof op> => {
  const adds = op === 'sum';
  return fc
    .tuple(oneOf(adds ? numeric : dtypes), adds ? shapes(0, 3) : filled(0), fc.boolean())
    .chain(([dtype, shape, keepDims]) => {
      const axesOf = fc.subarray(shape.map((_, i) => i));
      return fc.tuple(samples(dtype, shape, (adds ? tameValue : anyValue)(dtype)), axesOf).map(([x, axes]) => ({
        params: { axes, keepDims },
        inputs: [x],
        expected: reduction(op, x.model, axes, keepDims),
      }));
    });
};

/** The first NaN if there is one, else the first of the extreme values. */
export function firstExtreme(op: 'argmax' | 'argmin', values: readonly number[]): number {
  const nan = values.findIndex(Number.isNaN);
  const best = op === 'argmax' ? Math.max(...values) : Math.min(...values);
  return nan >= 0 ? nan : values.indexOf(best);
}

const argReduce = (op: (typeof ARG_REDUCE)[number]): Law<typeof op> =>
  fc.tuple(anySample(dtypes, filled(1)), fc.nat(2), fc.boolean()).map(([x, n, keepDims]) => {
    const axis = n % x.model.shape.length;
    const expected = folded(x.model, [axis], keepDims, 'int32', (values) => firstExtreme(op, values));
    return { params: { axis, keepDims }, inputs: [x], expected };
  });

export function runningSum(x: Model, axis: number): Model {
  const upTo = (index: Index) => lineAt(x, axis, index).slice(0, index[axis]! + 1);
  const running = (f: (values: number[]) => number) => tabulate(x.shape, 'float64', (index) => f(upTo(index))).values;
  if (x.dtype === 'int32') return { ...x, values: running(integerSum) };
  return {
    ...x,
    values: running((values) => stored(sum(values), x.dtype)),
    slack: running((values) => sumSlack(values, x.dtype)),
  };
}

/** Products in float64, in any order, are within n u of the true one; then the result is rounded. */
export function runningProduct(x: Model, axis: number): Model {
  const upTo = (index: Index) => lineAt(x, axis, index).slice(0, index[axis]! + 1);
  const product = (values: number[]) => values.reduce((a, b) => a * b, 1);
  const wrapped = (values: number[]) =>
    Number(
      BigInt.asIntN(
        32,
        values.reduce((a, b) => a * BigInt(b), 1n),
      ),
    );
  const running = (f: (values: number[]) => number) => tabulate(x.shape, 'float64', (index) => f(upTo(index))).values;
  if (x.dtype === 'int32') return { ...x, values: running(wrapped) };
  return {
    ...x,
    values: running((values) => stored(product(values), x.dtype)),
    slack: running(
      (values) => 2 * values.length * 2 ** -53 * Math.abs(product(values)) + ulp(product(values), x.dtype),
    ),
  };
}

const scan = (op: (typeof SCAN)[number]): Law<typeof op> =>
  fc.tuple(oneOf(numeric), shapes(1, 3), fc.nat(2)).chain(([dtype, shape, n]) =>
    samples(dtype, shape, tameValue(dtype)).map((x) => ({
      params: { axis: n % shape.length },
      inputs: [x],
      expected: (op === 'cumsum' ? runningSum : runningProduct)(x.model, n % shape.length),
    })),
  );

/**
 * Of lines x in any range. With range the largest distance from the maximum, an exponential is off by a relative (range + 2) u, its sum
 * by as much and n u more; twice that is allowed, as the model is off too.
 */
const softmax = (op: (typeof SOFTMAX)[number]): Law<typeof op> =>
  fc.tuple(oneOf(floats), shapes(1, 3), fc.nat(2)).chain(([dtype, shape, n]) =>
    samples(
      dtype,
      shape,
      fc.integer({ min: -400, max: 400 }).map((v) => v / 16),
    ).map((x) => {
      const axis = n % shape.length;
      const found = (f: (v: number, line: number[]) => number) =>
        tabulate(x.model.shape, 'float64', (index) => f(at(x.model, index), lineAt(x.model, axis, index))).values;
      const shareOf = (v: number, line: number[]) => 1 / sum(line.map((w) => Math.exp(w - v)));
      const values = found((v, line) => (op === 'softmax' ? shareOf(v, line) : Math.log(shareOf(v, line))));
      const slack = found((v, line) => {
        const error = 2 * (Math.max(...line) - Math.min(...line) + line.length + 4) * 2 ** -52;
        const share = shareOf(v, line);
        return op === 'softmax'
          ? share * error + ulp(share, dtype)
          : error * (1 + Math.abs(Math.log(share))) + ulp(Math.log(share), dtype);
      });
      const expected = { ...x.model, values: values.map((v) => stored(v, dtype)), slack };
      return { params: { axis }, inputs: [x], expected };
    }),
  );

/**
 * Float products are within (k + 1) u |a||b| of the true ones in any order of summation (Higham, Accuracy and Stability, 3.13),
 * and so is the model; to that comes the underflow of each step.
 */
export function product(a: Model, b: Model, dtype: DType = a.dtype): Model {
  const k = a.shape.at(-1)!;
  const shape = [...a.shape.slice(0, -1), b.shape.at(-1)!];
  const terms = (index: Index, times: (x: number, y: number) => number) =>
    Array.from({ length: k }, (_, j) => times(at(a, index.with(-1, j)), at(b, index.with(-2, j))));
  if (dtype === 'int32') {
    return tabulate(shape, dtype, (index) => integerSum(terms(index, scalars.binary('mul', 'int32'))));
  }
  const [unit, least] = dtype === 'float32' ? [2 ** -24, 2 ** -149] : [2 ** -53, 2 ** -1074];
  const rounding = (x: number, y: number) => 2 * (k + 1) * unit * Math.abs(x * y) + 2 * least;
  return {
    ...tabulate(shape, dtype, (index) => sum(terms(index, (x, y) => x * y))),
    slack: tabulate(shape, 'float64', (index) => sum(terms(index, rounding))).values,
  };
}

const types = fc.oneof(
  oneOf(numeric).map((dtype) => ({ params: {}, a: dtype, b: dtype, out: dtype })),
  fc
    .tuple(oneOf(['float32', 'float64']), oneOf(['float32', 'float64']))
    .map(([a, b]) => ({ params: { dtype: 'float64' as const }, a, b, out: 'float64' as const })),
);

const matmul: Law<'matmul'> = fc
  .tuple(types, fc.array(sizes, { maxLength: 2 }), sizes, sizes, sizes)
  .chain(([{ params, a, b, out }, batch, m, k, n]) =>
    fc
      .tuple(samples(a, [...batch, m, k], tameValue(a)), samples(b, [...batch, k, n], tameValue(b)))
      .map((inputs) => ({ params, inputs, expected: product(inputs[0].model, inputs[1].model, out) })),
  );

/** As a product, to whose slack comes the rounding of the sum with the bias. */
const linear: Law<'linear'> = fc
  .tuple(oneOf(numeric), fc.array(sizes, { maxLength: 3 }), sizes, sizes, fc.boolean())
  .chain(([dtype, leading, k, n, biased]) =>
    fc
      .tuple(
        samples(dtype, [...leading, k], tameValue(dtype)),
        samples(dtype, [n, k], tameValue(dtype)),
        samples(dtype, [n], tameValue(dtype)),
      )
      .map(([x, w, b]) => {
        const rows = { ...x.model, shape: [x.model.values.length / Math.max(1, k), k] };
        if (k === 0) rows.shape[0] = leading.reduce((a, d) => a * d, 1);
        const turned = tabulate([k, n], dtype, ([i, j]) => at(w.model, [j!, i!]));
        const xw = product(rows, turned, dtype);
        const shape = [...leading, n];
        if (!biased) return { params: {}, inputs: [x, w], expected: { ...xw, shape } };
        const sums = xw.values.map((v, i) => scalars.binary('add', dtype)(v, b.model.values[i % n]!));
        const values = sums.map((v) => stored(v, dtype));
        const slack = xw.slack?.map((s, i) => s + ulp(values[i]!, dtype) + ulp(xw.values[i]!, dtype));
        return { params: {}, inputs: [x, w, b], expected: { shape, dtype, values, ...(slack && { slack }) } };
      }),
  );

export const folding = {
  ...each(REDUCE, reduce),
  ...each(SCAN, scan),
  ...each(SOFTMAX, softmax),
  ...each(ARG_REDUCE, argReduce),
  matmul,
  linear,
};
