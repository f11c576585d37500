// Derivatives of convolution, pooling and normalisation to order 2, through the public ops: the rules behind them are checked
// one by one in derivative-table.test.ts, here what is composed of them.

import { type Rng, type Tensor, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gradcheck, gradientsOf, type Variable, variable } from '../src/index.ts';
import { Draw } from './draw.ts';

const draws = fc.nat().map((seed) => new Draw([], (x) => x, seed));

/** h(f(x)) with h(y) = y + y^2/2, so that the gradient that comes in depends on x. */
const bent =
  (f: (...xs: Variable[]) => Variable) =>
  (...xs: Variable[]) => {
    const y = f(...xs);
    return y.add(y.square().mul(0.5));
  };
const check = (f: (...xs: Variable[]) => Variable, inputs: readonly Tensor[], rng: Rng) =>
  gradcheck(bent(f), inputs, { rng, directions: 1 });

/** Options for windows on d axes, and lengths in which they have room. */
function windows(d: Draw, axes: number) {
  const each = (low: number, high: number) => Array.from({ length: axes }, () => d.integer(low, high));
  const [kernelSize, stride, dilation] = [each(1, 3), each(1, 3), each(1, 2)];
  const reach = kernelSize.map((k, i) => dilation[i]! * (k - 1) + 1);
  const padding = reach.map((r) => [d.integer(0, Math.min(2, r - 1)), d.integer(0, Math.min(2, r - 1))] as const);
  return { kernelSize, lengths: reach.map((r) => r + d.integer(0, 2)), options: { stride, dilation, padding } };
}

describe('convolution', () => {
  test.each([1, 2, 3] as const)('conv%dd, by input, filters and bias', (axes) => {
    fc.assert(
      fc.property(draws, (d) => {
        const { kernelSize, lengths, options } = windows(d, axes);
        const groups = d.integer(1, 2);
        const [x, w, b] = [[2, 2 * groups, ...lengths], [2 * groups, 2, ...kernelSize], [2 * groups]].map((s) =>
          d.normal(s),
        );
        check((v, k, bias) => v![`conv${axes}d`](k!, { ...options, groups, bias: bias! }), [x!, w!, b!], d.rng);
      }),
      { numRuns: axes === 3 ? 3 : 8 },
    );
  });

  test.each([1, 2, 3] as const)('convTranspose%dd, by input, filters and bias', (axes) => {
    fc.assert(
      fc.property(draws, (d) => {
        const { kernelSize, options } = windows(d, axes);
        const groups = d.integer(1, 2);
        const outputPadding = options.stride.map((s) => d.integer(0, s - 1));
        const counts = kernelSize.map(() => d.integer(3, 4));
        const [x, w, b] = [[1, 2 * groups, ...counts], [2 * groups, 2, ...kernelSize], [2 * groups]].map((s) =>
          d.normal(s),
        );
        check(
          (v, k, bias) => v![`convTranspose${axes}d`](k!, { ...options, outputPadding, groups, bias: bias! }),
          [x!, w!, b!],
          d.rng,
        );
      }),
      { numRuns: axes === 3 ? 3 : 8 },
    );
  });

  test('the gradient by the input is the transposed convolution', () => {
    fc.assert(
      fc.property(draws, (d) => {
        const { kernelSize, lengths, options } = windows(d, 2);
        const x = variable(d.integers(-3, 3, [2, 3, ...lengths]), { requiresGrad: true });
        const w = d.integers(-3, 3, [4, 3, ...kernelSize]);
        const y = x.conv2d(w, options);
        const seed = d.integers(-3, 3, y.shape);
        const [g] = gradientsOf(y, [x], { seed });
        expect(g!.value.toArray()).toEqual(seed.convTranspose2d(w, { ...options, outputSize: lengths }).toArray());
      }),
      { numRuns: 20 },
    );
  });

  test('the gradient by the filters sums over the batch and the windows', () => {
    const x = tensor([1, 2, 3, 4, 5, 6], { shape: [2, 1, 3], dtype: 'float64' });
    const w = variable(tensor([0, 0], { shape: [1, 1, 2], dtype: 'float64' }), { requiresGrad: true });
    const bias = variable(tensor([0], { dtype: 'float64' }), { requiresGrad: true });
    const seed = tensor([1, 10, 100, 1000], { shape: [2, 1, 2], dtype: 'float64' });
    const [gw, gb] = gradientsOf(variable(x).conv1d(w, { bias }), [w, bias], { seed });
    expect(gw!.value.toArray()).toEqual([[[1 + 20 + 400 + 5000, 2 + 30 + 500 + 6000]]]);
    expect(gb!.value.toArray()).toEqual([1111]);
  });

  test('unfold and fold', () => {
    fc.assert(
      fc.property(draws, (d) => {
        const { kernelSize, lengths, options } = windows(d, 2);
        check((v) => v!.unfold(kernelSize, options), [d.normal([2, 2, ...lengths])], d.rng);
        const columns = variable(d.normal([1, 2, ...lengths])).unfold(kernelSize, options);
        check((v) => v!.fold(lengths, kernelSize, options), [d.normal(columns.shape)], d.rng);
      }),
      { numRuns: 5 },
    );
  });
});

describe('pooling', () => {
  const pooled = (name: 'maxPool' | 'avgPool', axes: 1 | 2 | 3) => `${name}${axes}d` as const;

  test.each([1, 2, 3] as const)('on %d axes', (axes) => {
    fc.assert(
      fc.property(draws, (d) => {
        const { kernelSize, lengths, options } = windows(d, axes);
        const how = { ...options, dilation: 1, ceilMode: d.coin() };
        const shape = [2, ...lengths];
        check((v) => v![pooled('maxPool', axes)](kernelSize, how), [d.distinct(shape)], d.rng);
        check((v) => v![`maxPool${axes}dWithIndices`](kernelSize, how).values, [d.distinct(shape)], d.rng);
        const countIncludePad = d.coin();
        check((v) => v![pooled('avgPool', axes)](kernelSize, { ...how, countIncludePad }), [d.normal(shape)], d.rng);
        const p = d.integer(1, 3);
        check((v) => v![`lpPool${axes}d`](p, kernelSize, how), [d.within(0.5, 2, shape)], d.rng);
        const counts = lengths.map(() => d.integer(1, 3));
        check((v) => v![`adaptiveMaxPool${axes}d`](counts), [d.distinct(shape)], d.rng);
        check((v) => v![`adaptiveAvgPool${axes}d`](counts), [d.normal(shape)], d.rng);
      }),
      { numRuns: axes === 3 ? 2 : 4 },
    );
  });

  test('over everything', () => {
    const d = new Draw([], (x) => x, 3);
    check((v) => v!.globalAvgPool(), [d.normal([2, 2, 3, 2])], d.rng);
    check((v) => v!.globalMaxPool(), [d.distinct([2, 2, 3, 2])], d.rng);
    check((v) => v!.globalLpPool(3), [d.within(0.5, 2, [2, 2, 3, 2])], d.rng);
  });

  test('tied elements share the gradient of each window equally, and nothing goes to the padding', () => {
    const x = variable(tensor([[7, 7, 7, 1, -5, -5]], { dtype: 'float64' }), { requiresGrad: true });
    const grad = (y: Variable, seed: number[]) =>
      gradientsOf(y, [x], { seed: tensor([seed], { dtype: 'float64' }) })[0]!.value.toArray();
    expect(grad(x.maxPool1d(3), [6, 10])).toEqual([[2, 2, 2, 10, 0, 0]]);
    expect(grad(x.maxPool1d(2, { stride: 1 }), [2, 4, 8, 16, 32])).toEqual([[1, 3, 10, 16, 16, 16]]);
    expect(grad(x.maxPool1d(2, { padding: 1 }), [1, 2, 4, 8])).toEqual([[1, 1, 1, 4, 0, 8]]);
    expect(grad(x.adaptiveMaxPool1d(4), [1, 2, 4, 8])).toEqual([[0.5, 1.5, 1, 4, 4, 4]]);
    const indices = x.maxPool1dWithIndices(3).indices;
    expect([indices.requiresGrad, indices.value.toArray()]).toEqual([false, [[0, 3]]]);
  });

  test('the norm of nothing but 0 has derivative 0', () => {
    const x = variable(tensor([[0, 0, 0, 4]], { dtype: 'float64' }), { requiresGrad: true });
    for (const p of [1, 2, 3]) {
      const [g] = gradientsOf(x.lpPool1d(p, 2).sum(), [x]);
      expect((g!.value.toArray() as number[][])[0]!.slice(0, 2)).toEqual([0, 0]);
    }
    expect(gradientsOf(x.lpPool1d(2, 2).sum(), [x])[0]!.value.toArray()).toEqual([[0, 0, 0, 1]]);
  });
});

describe('normalisation', () => {
  const d = new Draw([], (x) => x, 4);
  const x = d.normal([3, 4, 2]);
  const [w, b] = [d.normal([4]), d.normal([4])];
  const cases: Record<string, [(...xs: Variable[]) => Variable, Tensor[]]> = {
    standardize: [(v) => v!.standardize([0, 2]), [x]],
    'batchNorm in training': [
      (v, weight, bias) => {
        const { mean, variance } = v!.batchStatistics();
        return v!.batchNorm(mean, variance, { weight: weight!, bias: bias! });
      },
      [x, w, b],
    ],
    'batchNorm by given statistics, which have gradients too': [
      (v, mean, variance, weight) => v!.batchNorm(mean!, variance!, { weight: weight! }),
      [x, d.normal([4]), d.within(1, 2, [4]), w],
    ],
    instanceNorm: [(v, weight, bias) => v!.instanceNorm({ weight: weight!, bias: bias!, eps: 0.1 }), [x, w, b]],
    groupNorm: [(v, weight, bias) => v!.groupNorm(2, { weight: weight!, bias: bias! }), [x, w, b]],
    layerNorm: [
      (v, weight, bias) => v!.layerNorm([4, 2], { weight: weight!, bias: bias! }),
      [x, d.normal([4, 2]), d.normal([4, 2])],
    ],
    rmsNorm: [(v, weight) => v!.rmsNorm(2, { weight: weight! }), [d.within(0.5, 2, [3, 2]), d.normal([2])]],
    localResponseNorm: [(v) => v!.localResponseNorm(3, { alpha: 2 }), [x]],
  };
  test.each(Object.keys(cases))('%s', (name) => {
    const [f, inputs] = cases[name]!;
    // Small steps: the fifth derivatives of 1 / sqrt(variance) are large.
    expect(gradcheck(bent(f), inputs, { rng: d.rng, directions: 2, step: 3e-4 })).toBeLessThan(1e-7);
  });

  test('what does not depend on a shift or a scale has no gradient along them', () => {
    const v = variable(x, { requiresGrad: true });
    const y = v.layerNorm([4, 2], { eps: 0 });
    const [g] = gradientsOf(y, [v], { seed: d.normal(y.shape) });
    const along = (direction: Tensor) => g!.value.mul(direction).sum([1, 2]).abs().max().item();
    expect(along(x.mul(0).add(1))).toBeLessThan(1e-14);
    expect(along(x)).toBeLessThan(1e-14);
  });
});
