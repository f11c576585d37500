// The activations on every dtype, shape and device. (Their values are in golden.test.ts, their derivatives and tails in
// packages/autograd/test/activations.test.ts.)

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { devices, errors, type Tensor, tensor, zeros } from '../src/index.ts';
import { thrown } from './support/expect.ts';
import { anySample, dtypes, floats } from './support/samples.ts';

const activations: Record<string, (x: Tensor) => Tensor> = {
  leakyRelu: (x) => x.leakyRelu(),
  elu: (x) => x.elu(),
  celu: (x) => x.celu({ alpha: 0.5 }),
  selu: (x) => x.selu(),
  gelu: (x) => x.gelu(),
  'gelu tanh': (x) => x.gelu({ approximate: 'tanh' }),
  silu: (x) => x.silu(),
  mish: (x) => x.mish(),
  softplus: (x) => x.softplus(),
  logSigmoid: (x) => x.logSigmoid(),
  softsign: (x) => x.softsign(),
  hardSigmoid: (x) => x.hardSigmoid(),
  hardSwish: (x) => x.hardSwish(),
};

describe.each(devices)('%s', (device) => {
  test.each(Object.keys(activations))('%s of any view and dtype is that of each element by itself', (name) => {
    const f = activations[name]!;
    fc.assert(
      fc.property(anySample(), (sample) => {
        const x = sample.on(device);
        const y = f(x);
        expect([y.dtype, ...y.shape]).toEqual([x.dtype === 'float64' ? 'float64' : 'float32', ...x.shape]);
        const each = Array.from(x.dataSync(), (v) => f(tensor(v, { dtype: x.dtype, device })).item());
        expect([...y.dataSync()]).toEqual(each);
      }),
      { numRuns: 15 },
    );
  });

  test('relu6 keeps integers', () => {
    expect(dtypes.map((dtype) => zeros([1], { dtype, device }).relu6().dtype)).toEqual([
      'int32',
      'int32',
      'float32',
      'float64',
    ]);
    expect(
      tensor(Int32Array.of(-(2 ** 31), -1, 5, 6, 7, 2 ** 31 - 1), { device })
        .relu6()
        .toArray(),
    ).toEqual([0, 0, 5, 6, 6, 6]);
  });

  test('integers at the ends of int32 do not wrap on the way', () => {
    const x = tensor(Int32Array.of(-(2 ** 31), 2 ** 31 - 1), { device });
    expect(x.logSigmoid().toArray()).toEqual([-(2 ** 31), -0]);
    expect(x.hardSigmoid().toArray()).toEqual([0, 1]);
    expect(x.softsign().toArray()).toEqual([-1, 1]);
    expect(x.silu().toArray()).toEqual([-0, 2 ** 31]);
  });

  test('they are continuous and bounded as their definitions say', () => {
    for (const dtype of floats) {
      const x = tensor(
        Float64Array.from({ length: 2001 }, (_, i) => (i - 1000) / 50),
        { dtype, device },
      );
      const within = (y: Tensor, low: number, high: number) =>
        expect(y.ge(low).logicalAnd(y.le(high)).all().item()).toBe(true);
      within(x.softsign(), -1, 1);
      within(x.hardSigmoid(), 0, 1);
      within(x.elu(), -1, Infinity);
      within(x.silu(), -0.2785, Infinity);
      within(x.gelu(), -0.17, Infinity);
      within(x.mish(), -0.3089, Infinity);
      within(x.softplus().sub(x.relu()), 0, Math.LN2 + 1e-7);
      // No step is longer than the largest slope allows.
      for (const f of Object.values(activations)) {
        const y = f(x);
        within(
          y
            .slice([1])
            .sub(y.slice([0, -1]))
            .abs(),
          0,
          2.2 / 50,
        );
      }
    }
  });

  test('gelu knows two formulas', () => {
    const error = thrown(() => zeros([2], { device }).gelu({ approximate: 'tahn' as 'tanh' }));
    expect([error.name, error.message]).toEqual(['DataError', "gelu: approximate is 'none' or 'tanh', found 'tahn'"]);
  });

  test('a slope that does not broadcast is refused by shape', () => {
    const error = thrown(() => zeros([2, 3], { device }).leakyRelu({ negativeSlope: zeros([2], { device }) }));
    expect(error).toBeInstanceOf(errors.ShapeError);
  });
});
