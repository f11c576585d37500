// The public elementwise ops: which dtype each gives, and its values against plain JavaScript in float64, over special values,
// any strides and all dtypes. (The primitives behind them have their own laws; NumPy's values are in golden.test.ts.)

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DType, devices, type Tensor, tensor, where } from '../src/index.ts';
import { BINARY, UNARY } from '../src/primitives.ts';
import { expectModel } from './support/expect.ts';
import { type Model, stored, within, zipped } from './support/model.ts';
import { anySample, anyValue, dtypes, type Sample, samples, shapes } from './support/samples.ts';
import * as scalars from './support/scalars.ts';

const meet = (...kinds: DType[]): DType => dtypes[Math.max(...kinds.map((d) => dtypes.indexOf(d)))]!;
const asNumber = (dtype: DType) => meet(dtype, 'int32');
const asFloat = (dtype: DType) => meet(dtype, 'float32');
const truth = (): DType => 'bool';

/** The model after promotion, as the op computes with it. */
const as = (m: Model, dtype: DType): Model => ({ ...m, dtype, values: m.values.map((v) => stored(v, dtype)) });

interface Unary {
  readonly call: (x: Tensor) => Tensor;
  /** The dtype computed in, and that of the result. */
  readonly inside: (dtype: DType) => DType;
  readonly out?: (dtype: DType) => DType;
  readonly f: (v: number, dtype: DType) => number;
  readonly ulps?: number;
}
interface Binary {
  readonly call: (a: Tensor, b: Tensor) => Tensor;
  readonly inside: (dtype: DType) => DType;
  readonly out?: (dtype: DType) => DType;
  readonly f: (v: number, w: number, dtype: DType) => number;
}

const same = (dtype: DType) => dtype;
const keepsIntegers: readonly string[] = ['neg', 'abs', 'sign', 'floor', 'ceil', 'round', 'trunc', 'relu'];

const unary: Record<string, Unary> = {
  ...Object.fromEntries(
    UNARY.map((op): [string, Unary] => [
      op,
      { call: (x) => x[op](), inside: keepsIntegers.includes(op) ? asNumber : asFloat, f: scalars.unary[op] },
    ]),
  ),
  square: { call: (x) => x.square(), inside: asNumber, f: (v, dtype) => scalars.binary('mul', dtype)(v, v) },
  reciprocal: { call: (x) => x.reciprocal(), inside: asFloat, f: (v) => 1 / v },
  // Two roundings, of the root and of its reciprocal.
  rsqrt: { call: (x) => x.rsqrt(), inside: asFloat, f: (v) => 1 / Math.sqrt(v), ulps: 2 },
  // Exact for integers, and as good as the power elsewhere.
  exp2: { call: (x) => x.exp2(), inside: asFloat, f: (v) => 2 ** v },
  isInf: { call: (x) => x.isInf(), inside: same, out: truth, f: (v) => Number(Math.abs(v) === Infinity) },
  isNan: { call: (x) => x.isNan(), inside: same, out: truth, f: (v) => Number(Number.isNaN(v)) },
  isFinite: { call: (x) => x.isFinite(), inside: same, out: truth, f: (v) => Number(Number.isFinite(v)) },
  logicalNot: { call: (x) => x.logicalNot(), inside: same, out: truth, f: (v) => Number(v === 0) },
};

const binary: Record<string, Binary> = {
  ...Object.fromEntries(
    BINARY.map((op): [string, Binary] => [
      op,
      {
        call: (a, b) => a[op](b),
        inside: ['div', 'atan2', 'hypot'].includes(op) ? asFloat : asNumber,
        f: (v, w, dtype) => scalars.binary(op, dtype)(v, w),
      },
    ]),
  ),
  eq: { call: (a, b) => a.eq(b), inside: same, out: truth, f: (v, w) => Number(v === w) },
  ne: { call: (a, b) => a.ne(b), inside: same, out: truth, f: (v, w) => Number(v !== w) },
  lt: { call: (a, b) => a.lt(b), inside: same, out: truth, f: (v, w) => Number(v < w) },
  le: { call: (a, b) => a.le(b), inside: same, out: truth, f: (v, w) => Number(v <= w) },
  gt: { call: (a, b) => a.gt(b), inside: same, out: truth, f: (v, w) => Number(v > w) },
  ge: { call: (a, b) => a.ge(b), inside: same, out: truth, f: (v, w) => Number(v >= w) },
  logicalAnd: { call: (a, b) => a.logicalAnd(b), inside: truth, f: (v, w) => v & w },
  logicalOr: { call: (a, b) => a.logicalOr(b), inside: truth, f: (v, w) => v | w },
  logicalXor: { call: (a, b) => a.logicalXor(b), inside: truth, f: (v, w) => v ^ w },
};

/** Two samples of any dtypes whose shapes broadcast. */
const pairs: fc.Arbitrary<[Sample, Sample]> = fc
  .tuple(shapes(0, 3), fc.constantFrom(...dtypes), fc.constantFrom(...dtypes), fc.nat(3))
  .chain(([shape, a, b, cut]) => {
    const other = shape.map((d, i) => (i === cut ? 1 : d)).slice(Math.min(cut, shape.length));
    return fc.tuple(samples(a, shape), samples(b, other));
  });

describe.each(devices)('%s', (device) => {
  const law = <T>(cases: fc.Arbitrary<T>, check: (value: T) => void) =>
    fc.assert(fc.property(cases, check), { numRuns: 30 });

  test.each(Object.keys(unary))('%s', (name) => {
    const { call, inside, out = inside, f, ulps } = unary[name]!;
    law(anySample(), (x) => {
      const dtype = inside(x.model.dtype);
      const expected = zipped(out(dtype), (v) => f(v!, dtype), as(x.model, dtype));
      expectModel(call(x.on(device)), within(ulps ?? scalars.ulps(name, dtype), expected));
    });
  });

  test('every function of one operand, on a sweep of ordinary numbers', () => {
    const values = Array.from({ length: 513 }, (_, i) => (i - 256) / 32);
    for (const dtype of ['float32', 'float64'] as const) {
      const x = tensor(Float64Array.from(values), { dtype, device });
      for (const [name, { call, inside, out = inside, f, ulps }] of Object.entries(unary)) {
        const expected = zipped(out(dtype), (v) => f(v!, dtype), { shape: [513], dtype, values });
        expectModel(call(x), within(ulps ?? scalars.ulps(name, dtype), expected), name);
      }
    }
  });

  test.each(Object.keys(binary))('%s', (name) => {
    const { call, inside, out = inside, f } = binary[name]!;
    law(pairs, ([a, b]) => {
      const dtype = inside(meet(a.model.dtype, b.model.dtype));
      const expected = zipped(out(dtype), (v, w) => f(v!, w!, dtype), as(a.model, dtype), as(b.model, dtype));
      expectModel(call(a.on(device), b.on(device)), within(scalars.ulps(name, dtype), expected));
    });
  });

  test('add with an alpha rounds the product, and then the sum', () => {
    const alphas = fc.constantFrom(0.1, -2, 1e-30, 3e38, Infinity);
    law(fc.tuple(anySample(['float32', 'float64']), anyValue('float32'), alphas), ([sample, value, alpha]) => {
      const x = sample.on(device);
      for (const y of [x, x.flip(), x.mul(value)]) {
        expect(x.add(y, { alpha }).dataSync()).toEqual(x.add(y.mul(alpha)).dataSync());
      }
    });
    const [a, b] = [tensor([-(2 ** 127)], { device }), tensor([2 ** 127], { device })];
    expect(a.add(b, { alpha: 2 }).item()).toBe(Infinity);
  });

  test('where chooses, at the dtype where the two meet', () => {
    law(
      fc.tuple(anySample(dtypes, shapes(0, 2)), fc.constantFrom(...dtypes), fc.constantFrom(...dtypes), fc.gen()),
      ([c, d, e, g]) => {
        const [a, b] = [g(() => samples(d, c.model.shape)), g(() => samples(e, c.model.shape))];
        const dtype = meet(d, e);
        const expected = zipped(
          dtype,
          (t, v, w) => (t !== 0 ? v! : w!),
          c.model,
          as(a.model, dtype),
          as(b.model, dtype),
        );
        expectModel(where(c.on(device), a.on(device), b.on(device)), expected);
      },
    );
  });

  test('where with numbers', () => {
    const mask = tensor([true, false], { device });
    const ints = tensor(Int32Array.of(7, 8), { device });
    const show = (x: Tensor) => [x.dtype, x.toArray()];
    expect(show(where(mask, 1, 2))).toEqual(['float32', [1, 2]]);
    expect(show(where(mask, ints, 0))).toEqual(['int32', [7, 0]]);
    expect(show(where(mask, 0, ints))).toEqual(['int32', [0, 8]]);
    expect(show(where(mask, ints, 0.5))).toEqual(['float32', [7, 0.5]]);
    expect(show(where(mask, 0.5, ints))).toEqual(['float32', [0.5, 8]]);
    expect(show(where(mask, 0.1, tensor(Float64Array.of(1, 2), { device })))).toEqual(['float64', [0.1, 2]]);
    expect(show(where(tensor([3, 0], { device }), 1, 2))).toEqual(['float32', [1, 2]]);
  });

  test('clamp keeps within [low, high], passes NaN, and high wins where they cross', () => {
    const bound = fc.option(fc.constantFrom(-2, -0.5, 0, 1, 1.5, Infinity, -Infinity), { nil: undefined });
    law(fc.tuple(anySample(['int32', 'float32', 'float64']), bound, bound), ([x, low, high]) => {
      // A bound that int32 cannot hold lifts the result to float32, as any such number does.
      const lifts = [low, high].some((b) => b !== undefined && !Number.isInteger(b));
      const dtype = x.model.dtype === 'int32' && lifts ? 'float32' : x.model.dtype;
      const clamp = (v: number) => Math.min(Math.max(v, low ?? -Infinity), high ?? Infinity);
      expectModel(x.on(device).clamp(low, high), zipped(dtype, clamp, as(x.model, dtype)));
    });
    const x = tensor([1, 5], { device });
    expect(x.clamp(3, 2).toArray()).toEqual([2, 2]);
    expect(x.clamp()).toBe(x);
  });

  test('log2 and exp2 are exact on all powers of two', () => {
    for (const [dtype, least, most] of [
      ['float32', -149, 127],
      ['float64', -1074, 1023],
    ] as const) {
      const exponents = Float64Array.from({ length: most - least + 1 }, (_, i) => least + i);
      const powers = tensor(exponents, { dtype, device }).exp2();
      // Halving and doubling are exact, so this is what a power of two is.
      const doubled = powers.slice([0, -1]).mul(2);
      expect(powers.slice([-least, -least + 1]).item()).toBe(1);
      expect(powers.slice([1]).eq(doubled).all().item()).toBe(true);
      expect(powers.log2().dataSync()).toEqual(tensor(exponents, { dtype, device }).dataSync());
    }
  });

  test('hypot of whole right triangles is exact, and neither large nor small ones are lost', () => {
    const triples: number[][] = [];
    for (let m = 2; m < 20; m++) for (let n = 1; n < m; n++) triples.push([m * m - n * n, 2 * m * n, m * m + n * n]);
    for (const scale of [1, 2 ** 1000, 2 ** -1060]) {
      const side = (i: number) =>
        tensor(
          Float64Array.from(triples, (t) => t[i]! * scale),
          { device },
        );
      expect(side(0).hypot(side(1)).dataSync()).toEqual(side(2).dataSync());
    }
    const x = tensor([3e38, 1e-45, Infinity, Number.NaN], { device });
    expect(x.hypot(tensor([1e38, 0, Number.NaN, -Infinity], { device })).toArray()).toEqual([
      Math.fround(Math.hypot(Math.fround(3e38), Math.fround(1e38))),
      Math.fround(1e-45),
      Infinity,
      Infinity,
    ]);
  });

  test('signs of zero', () => {
    const x = tensor([0, -0, -0.2, 0.2, -0.5, 0.5], { device });
    const zeros = (t: Tensor) =>
      Array.from(t.dataSync(), (v) => (v === 0 ? (Object.is(v, -0) ? '-0' : '0') : String(v)));
    expect(zeros(x.neg()).slice(0, 2)).toEqual(['-0', '0']);
    expect(zeros(x.abs()).slice(0, 2)).toEqual(['0', '0']);
    expect(zeros(x.round())).toEqual(['0', '-0', '-0', '0', '-0', '0']);
    expect(zeros(x.trunc())).toEqual(['0', '-0', '-0', '0', '-0', '0']);
    expect(zeros(x.ceil())).toEqual(['0', '-0', '-0', '1', '-0', '1']);
    expect(zeros(x.sqrt()).slice(0, 2)).toEqual(['0', '-0']);
    expect(zeros(x.mul(-1)).slice(0, 2)).toEqual(['-0', '0']);
  });

  test('rounding is to the even neighbour, mod has the sign of the divisor, x^0 is 1', () => {
    const x = tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5], { device });
    expect(x.round().add(0).toArray()).toEqual([-2, -2, 0, 0, 2, 2, 4]);
    expect(
      tensor([7, -7, 7, -7], { device })
        .mod(tensor([3, 3, -3, -3], { device }))
        .toArray(),
    ).toEqual([1, 2, -2, -1]);
    expect(
      tensor([5, -5, 0, 5], { device })
        .mod(tensor([Infinity, Infinity, 3, 0], { device }))
        .toArray(),
    ).toEqual([5, Infinity, 0, Number.NaN]);
    expect(tensor([0, Number.NaN, Infinity, -3], { device }).pow(0).toArray()).toEqual([1, 1, 1, 1]);
    expect(
      tensor([1, 1, -1, -8], { device })
        .pow(tensor([Number.NaN, Infinity, -Infinity, 1 / 3], { device }))
        .toArray(),
    ).toEqual([1, 1, 1, Number.NaN]);
    expect(tensor([-2, 2, 0, -1], { device }).div(0).toArray()).toEqual([-Infinity, Infinity, Number.NaN, -Infinity]);
  });

  test('the error function and its neighbours keep their tails', () => {
    const x = tensor(Float64Array.of(-800, -40, 40, 800), { device });
    expect(x.sigmoid().toArray()).toEqual([0, Math.exp(-40), 1, 1]);
    expect(x.tanh().toArray()).toEqual([-1, -1, 1, 1]);
    const small = tensor(Float64Array.of(1e-20, -1e-20), { device });
    expect(small.expm1().toArray()).toEqual([1e-20, -1e-20]);
    expect(small.log1p().toArray()).toEqual([1e-20, -1e-20]);
    law(anyValue('float64'), (v) => {
      const [a, b] = tensor(Float64Array.of(v, -v), { device }).erf().dataSync();
      expect(a).toBe(b === 0 ? a : -b!);
    });
  });
});
