// Laws of the primitives that map elements one by one.

import fc from 'fast-check';
import type { DType } from '../../src/index.ts';
import { BINARY, COMPARE, UNARY } from '../../src/primitives.ts';
import { type Model, stored, ulp, within, zipped } from '../support/model.ts';
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
} from '../support/samples.ts';
import * as scalars from '../support/scalars.ts';
import { each, type Law, oneOf } from './case.ts';

// The functions that keep integers integers; the others get floats.
const arithmetic: readonly string[] = ['neg', 'abs', 'sign', 'floor', 'ceil', 'round', 'trunc', 'relu'];

/** Samples of one dtype and one shape. */
function alike(count: number, kinds: readonly DType[]): fc.Arbitrary<Sample[]> {
  return fc
    .tuple(oneOf(kinds), shapes(0, 3))
    .chain(([dtype, shape]) =>
      fc.tuple(...Array.from({ length: count }, () => samples(dtype, shape, anyValue(dtype)))),
    );
}

const unary = (op: (typeof UNARY)[number]): Law<typeof op> =>
  alike(1, arithmetic.includes(op) ? numeric : floats).map((inputs) => {
    const { model } = inputs[0]!;
    const expected = zipped(model.dtype, scalars.unary[op], model);
    return { params: {}, inputs, expected: within(scalars.ulps(op, model.dtype), expected) };
  });

const binary = (op: (typeof BINARY)[number]): Law<typeof op> =>
  alike(2, numeric).map((inputs) => {
    const [{ model: a }, { model: b }] = inputs as [Sample, Sample];
    const expected = zipped(a.dtype, scalars.binary(op, a.dtype), a, b);
    return { params: {}, inputs, expected: within(scalars.ulps(op, a.dtype), expected) };
  });

const compare = (op: (typeof COMPARE)[number]): Law<typeof op> =>
  alike(2, dtypes).map((inputs) => ({
    params: {},
    inputs,
    expected: zipped('bool', scalars.compare[op], ...inputs.map((x) => x.model)),
  }));

/** Product and sum are rounded once or twice. */
const addScaled: Law<'addScaled'> = fc
  .tuple(oneOf(floats), shapes(0, 3), fc.constantFrom(-2.5, -0.1, 0, 1, 0.3, 1e3))
  .chain(([dtype, shape, scale]) =>
    fc.tuple(samples(dtype, shape, tameValue(dtype)), samples(dtype, shape, tameValue(dtype))).map((inputs) => {
      const [a, b] = inputs.map((x) => x.model) as [Model, Model];
      const s = stored(scale, dtype);
      const slack = zipped('float64', (v, w) => ulp(v! + s * w!, dtype) + ulp(s * w!, dtype), a, b).values;
      return { params: { scale }, inputs, expected: { ...zipped(dtype, (v, w) => v! + s * w!, a, b), slack } };
    }),
  );

const reluBackward: Law<'reluBackward'> = alike(2, floats).map((inputs) => ({
  params: {},
  inputs,
  expected: zipped(inputs[0]!.model.dtype, (x, g) => (x! <= 0 ? 0 : g!), ...inputs.map((x) => x.model)),
}));

const where: Law<'where'> = fc.tuple(oneOf(dtypes), shapes(0, 3)).chain(([dtype, shape]) =>
  fc.tuple(samples('bool', shape), samples(dtype, shape), samples(dtype, shape)).map((inputs) => ({
    params: {},
    inputs,
    expected: zipped(dtype, (c, a, b) => (c ? a! : b!), ...inputs.map((x) => x.model)),
  })),
);

/** Floats lose their fraction, saturate at the ends of int32, and NaN is 0; anything but 0 is true. */
export function castValue(value: number, dtype: DType): number {
  if (dtype !== 'int32') return stored(value, dtype);
  if (Number.isNaN(value)) return 0;
  return value >= 2147483647 ? 2147483647 : value <= -2147483648 ? -2147483648 : Math.trunc(value);
}

const cast: Law<'cast'> = fc.tuple(oneOf(dtypes), anySample(dtypes, shapes(0, 3))).map(([dtype, x]) => ({
  params: { dtype },
  inputs: [x],
  expected: { ...x.model, dtype, values: x.model.values.map((v) => castValue(v, dtype)) },
}));

export const elementwise = {
  ...each(UNARY, unary),
  ...each(BINARY, binary),
  ...each(COMPARE, compare),
  addScaled,
  reluBackward,
  where,
  cast,
};
