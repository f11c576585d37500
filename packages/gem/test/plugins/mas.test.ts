// Memory aware synapses: importance against a loop over samples and against a linear model worked out by hand; the penalty.

import { nn, optim, variable } from '@gemlab/autograd';
import { Rng, randn, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { MASPlugin } from '../../src/plugins/mas.ts';
import { streamOf } from '../../src/streams/index.ts';
import { toyStrategy, weights } from '../toy.ts';
import { exactStream, expectClose, gradientOf, gradients, lossOn, watch } from './support.ts';

const numbers = (x: { toArray(): unknown } | null) => x!.toArray() as number[];

describe('the importance', () => {
  test('is a loop over samples: the mean of | d |F(x)|^2 / d theta |, summed over tasks', async () => {
    const plugin = new MASPlugin({ lambda: 0.1 });
    let expected: number[] | null = null;
    const loop = watch('afterTrainingExp', (s) => {
      const n = s.dataset!.length;
      for (let i = 0; i < n; i++) {
        const f = s.model.forward(variable(s.dataset!.range(i, i + 1).inputs));
        const g = gradientOf(f.square().sum(), s);
        expected = g.map((x, j) => (expected?.[j] ?? 0) + Math.abs(x) / n);
      }
    });
    await toyStrategy({ plugins: [loop, plugin], dtype: 'float64' }).train(exactStream(2, 37));
    expectClose(numbers(plugin.omega), expected!);
  });

  test('of F = W x + b is the mean of 2 |F_c x_j|, and of 2 |F_c| for b; labels do not matter', async () => {
    const inputs = randn([20, 3], new Rng(1), { dtype: 'float64' });
    const omegas = [0, 1].map(async (flip) => {
      const targets = tensor(Int32Array.from({ length: 20 }, (_, i) => (i + flip) % 2));
      const model = new nn.Linear(3, 2, { rng: new Rng(2), dtype: 'float64' });
      const plugin = new MASPlugin({ lambda: 1 });
      const optimizer = new optim.SGD(model.parameters(), { lr: 0 });
      await toyStrategy({ model, optimizer, plugins: [plugin] }).train(
        streamOf([{ train: { inputs, targets }, test: { inputs, targets } }]),
      );
      const F = model.forward(variable(inputs)).value.toArray() as number[][];
      const x = inputs.toArray() as number[][];
      const mean = (c: number, j: number | null) =>
        x.reduce((sum, row, i) => sum + 2 * Math.abs(F[i]![c]! * (j === null ? 1 : row[j]!)), 0) / 20;
      expectClose(
        numbers(plugin.omega),
        [...[0, 1].flatMap((c) => [0, 1, 2].map((j) => mean(c, j))), mean(0, null), mean(1, null)],
        1e-14,
      );
      return numbers(plugin.omega);
    });
    expect(await omegas[0]).toEqual(await omegas[1]);
  });
});

test('the penalty adds 2 lambda Omega (theta - theta*) to the gradient', async () => {
  const lambda = 0.4;
  const plugin = new MASPlugin({ lambda });
  let end: number[] | null = null;
  const audit = watch('afterBackward', (s) => {
    const plain = gradientOf(lossOn(s, s.batch!), s);
    const theta = weights(s);
    const omega = end && numbers(plugin.omega);
    expectClose(
      gradients(s),
      plain.map((x, i) => (omega ? x + 2 * lambda * omega[i]! * (theta[i]! - end![i]!) : x)),
    );
  });
  const note = watch('afterTrainingExp', (s) => {
    end = weights(s);
  });
  await toyStrategy({ plugins: [plugin, audit, note], dtype: 'float64' }).train(exactStream(3, 20));
  expect(numbers(plugin.anchor)).toEqual(end);
});

test.each([
  [{ lambda: Number.NaN }, /lambda is NaN/],
  [{ samples: 2.5, rng: new Rng(0) }, /samples is 2.5/],
  [{ samples: 2 }, /rng is undefined/],
])('%o is refused', (options, message) => {
  expect(() => new MASPlugin({ lambda: 1, ...options })).toThrow(message);
});
