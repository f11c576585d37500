// Normalisation: what it makes of means and variances, what it does not see, and how much a large mean costs. (Values for each kind,
// by PyTorch, are in golden.windows.json.)

import { describe, expect, test } from 'vitest';
import { devices, errors, full, Rng, randn, type Tensor, tensor, zeros } from '../src/index.ts';
import { thrown } from './support/expect.ts';

const apart = (a: Tensor, b: Tensor) => a.sub(b).abs().max().item() as number;

describe.each(devices)('%s', (device) => {
  const draw = (shape: readonly number[], seed = 0) => randn(shape, new Rng(seed), { dtype: 'float64', device });
  const x = draw([3, 4, 5, 2]).mul(3).add(7);

  /** Each kind, the axes that it takes the mean over, and how it makes them of x. */
  const kinds: Record<string, { run: (t: Tensor) => Tensor; groups: (t: Tensor) => Tensor }> = {
    batchNorm: {
      run: (t) => {
        const { mean, variance } = t.batchStatistics();
        return t.batchNorm(mean, variance, { eps: 0 });
      },
      groups: (t) => t.permute([1, 0, 2, 3]).reshape([4, 30]),
    },
    instanceNorm: { run: (t) => t.instanceNorm({ eps: 0 }), groups: (t) => t.reshape([12, 10]) },
    groupNorm: { run: (t) => t.groupNorm(2, { eps: 0 }), groups: (t) => t.reshape([6, 20]) },
    layerNorm: { run: (t) => t.layerNorm([5, 2], { eps: 0 }), groups: (t) => t.reshape([12, 10]) },
    standardize: {
      run: (t) => t.standardize([0, -1], { eps: 0 }),
      groups: (t) => t.permute([1, 2, 0, 3]).reshape([20, 6]),
    },
  };
  describe.each(Object.keys(kinds))('%s', (kind) => {
    const { run, groups } = kinds[kind]!;
    test('leaves mean 0 and variance 1', () => {
      const y = groups(run(x));
      expect(y.mean(1).abs().max().item()).toBeLessThan(1e-14);
      expect(apart(y.var(1, { correction: 0 }), full([y.shape[0]!], 1, { dtype: 'float64', device }))).toBeLessThan(
        1e-14,
      );
    });
    test('does not see a shift or a scale', () => {
      expect(apart(run(x.mul(8).sub(3)), run(x))).toBeLessThan(1e-13);
      expect(apart(run(x.neg()), run(x).neg())).toBe(0);
    });
    test('keeps its digits beside a large mean', () => {
      // Exact in float32: whole numbers about 2^20, as small ones are about 0. In one pass, mean(x^2) - mean(x)^2 would be noise.
      const whole = tensor(new Rng(1).integers(120, -8, 9), { shape: [3, 4, 5, 2], dtype: 'float32', device });
      const far = run(whole.add(2 ** 20));
      expect(apart(far, run(whole))).toBeLessThan(0.05);
      expect(groups(far).var(1, { correction: 0 }).sub(1).abs().max().item()).toBeLessThan(0.01);
    });
  });

  test('eps is added to the variance, weight and bias come after', () => {
    const t = tensor([[1, 3]], { dtype: 'float64', device });
    expect(t.layerNorm(2, { eps: 3 }).toArray()).toEqual([[-0.5, 0.5]]);
    const [weight, bias] = [tensor([10, 20], { device }), tensor([1, 2], { device })];
    expect(t.layerNorm([2], { eps: 3, weight, bias }).toArray()).toEqual([[-4, 12]]);
    expect(t.rmsNorm(2, { eps: 4, weight: weight.mul(3) }).toArray()).toEqual([[10, 60]]);
    const mean = tensor([1, 1], { device });
    expect(t.batchNorm(mean, mean.mul(3), { eps: 1, weight, bias }).toArray()).toEqual([[1, 22]]);
    expect(t.batchNorm(mean, mean.mul(3), { eps: 1, weight: null, bias: null }).toArray()).toEqual([[0, 1]]);
  });

  test('a constant gives 0, and the bias', () => {
    const c = full([2, 4, 3], 5, { device });
    const bias = tensor([1, 2, 3, 4], { device });
    expect(c.groupNorm(2, { bias }).toArray()).toEqual(bias.reshape([4, 1]).expand([2, 4, 3]).toArray());
    expect(c.instanceNorm({ weight: bias }).abs().max().item()).toBe(0);
  });

  test('kinds of each other: one group is a layer, as many as channels are instances', () => {
    expect(apart(x.groupNorm(1), x.layerNorm([4, 5, 2]))).toBe(0);
    expect(apart(x.groupNorm(4), x.instanceNorm())).toBe(0);
    const { mean, variance } = x.batchStatistics();
    expect(apart(x.batchNorm(mean, variance), x.standardize([0, 2, 3]))).toBeLessThan(1e-14);
    expect([mean.shape, variance.shape]).toEqual([[4], [4]]);
  });

  test('localResponseNorm sees the neighbours of a channel, of which an even size has one more ahead', () => {
    const t = tensor([1, 2, 3, 4], { shape: [1, 4, 1], dtype: 'float64', device });
    const of = (...squares: number[]) => squares.map((s, i) => (i + 1) / (1 + s));
    expect(t.localResponseNorm(3, { alpha: 3, beta: 1 }).flatten().toArray()).toEqual(of(5, 14, 29, 25));
    expect(t.localResponseNorm(2, { alpha: 2, beta: 1 }).flatten().toArray()).toEqual(of(1, 5, 13, 25));
    expect(t.localResponseNorm(1, { alpha: 1, beta: 1 }).flatten().toArray()).toEqual(of(1, 4, 9, 16));
  });

  test('integers become floats, and of nothing comes nothing', () => {
    const ints = tensor([[1, 3]], { dtype: 'int32', device });
    expect([ints.layerNorm(2).dtype, ints.rmsNorm(2).dtype]).toEqual(['float32', 'float32']);
    expect(zeros([0, 4, 3], { device }).groupNorm(2).shape).toEqual([0, 4, 3]);
    expect(zeros([2, 0], { device }).layerNorm(0).shape).toEqual([2, 0]);
    expect(zeros([0, 4], { device }).batchNorm(zeros([4], { device }), zeros([4], { device })).shape).toEqual([0, 4]);
  });
});

describe('errors', () => {
  const x = zeros([2, 6, 4]);
  const six = zeros([6]);
  const failing: Record<string, [() => unknown, keyof typeof errors, string]> = {
    'no channels': [() => six.batchStatistics(), 'ShapeError', 'batchStatistics: wants [N, C, ...], found [6]'],
    'nothing to take the mean over': [
      () => zeros([2, 6]).instanceNorm(),
      'ShapeError',
      'instanceNorm: wants [N, C, ...spatial], found [2,6]',
    ],
    'a mean for other channels': [
      () => x.batchNorm(zeros([4]), six),
      'ShapeError',
      'batchNorm: mean must be [6], found [4]',
    ],
    'a variance of another rank': [
      () => x.batchNorm(six, zeros([6, 1])),
      'ShapeError',
      'batchNorm: variance must be [6], found [6,1]',
    ],
    'a weight that does not fit': [
      () => x.layerNorm([6, 4], { weight: zeros([4]) }),
      'ShapeError',
      'layerNorm: weight must be [6,4], found [4]',
    ],
    'a bias that does not fit': [
      () => x.groupNorm(2, { bias: zeros([2]) }),
      'ShapeError',
      'groupNorm: bias must be [6], found [2]',
    ],
    'groups that do not divide the channels': [
      () => x.groupNorm(4),
      'ShapeError',
      'groupNorm: 4 groups do not divide the 6 channels of [2,6,4]',
    ],
    'no groups': [() => x.groupNorm(0), 'WindowError', 'groupNorm: groups is an integer of at least 1; found 0'],
    'other last axes': [
      () => x.layerNorm([2, 4]),
      'ShapeError',
      'layerNorm: [2,6,4] does not end in the normalizedShape [2,4]',
    ],
    'more last axes than there are': [
      () => x.rmsNorm([1, 2, 6, 4]),
      'ShapeError',
      'rmsNorm: [2,6,4] does not end in the normalizedShape [1,2,6,4]',
    ],
    'no neighbours': [
      () => x.localResponseNorm(0),
      'WindowError',
      'localResponseNorm: size is an integer of at least 1; found 0',
    ],
  };
  test.each(Object.keys(failing))('%s', (what) => {
    const [fn, kind, message] = failing[what]!;
    const error = thrown(fn) as errors.GemlabError;
    expect(error).toBeInstanceOf(errors[kind]);
    expect(error.message).toBe(message);
    expect(Object.keys(error.fields).length).toBeGreaterThan(0);
  });
});
