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
