// Synaptic intelligence: its path integral is the fall of the loss, and its penalty is the published one.

import { nn, optim } from '@gemlab/autograd';
import { Rng } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { SIPlugin } from '../../src/plugins/si.ts';
import type { Strategy } from '../../src/strategy/strategy.ts';
import type { Stream } from '../../src/streams/index.ts';
import { toyStrategy, weights } from '../toy.ts';
import { exactStream, expectClose, gradientOf, gradients, lossOn, watch } from './support.ts';

const numbers = (x: { toArray(): unknown } | null) => x!.toArray() as number[];
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** Full-batch training for a fixed time: steps times lr is constant. */
async function fullBatch(steps: number, stream: Stream, c: number) {
  const falls: number[] = [];
  const plugin = new SIPlugin({ c });
  let before = 0;
  const lossNow = (s: Strategy) => lossOn(s, s.dataset!.range(0, s.dataset!.length)).item() as number;
  const start = watch('beforeTrainingExp', (s) => {
    before = lossNow(s);
  });
  const paths: number[] = [];
  const end = watch('afterTrainingExp', (s) => {
    falls.push(before - lossNow(s));
    paths.push(sum(numbers(plugin.path)));
  });
  const model = new nn.MLP([2, 8, 2], { rng: new Rng(0), init: 'xavier', dtype: 'float64' });
  const strategy = toyStrategy({
    model,
    optimizer: new optim.SGD(model.parameters(), { lr: 4 / steps }),
    plugins: [plugin, start, end],
    trainBatchSize: 1000,
    trainEpochs: steps,
  });
  await strategy.train(stream);
  return { falls, paths };
}

describe('the path integral', () => {
  test("sums to the fall of the task's own loss, the better the smaller the steps, also under a penalty", async () => {
    const stream = exactStream(2, 30);
    const [coarse, fine] = [await fullBatch(60, stream, 0.5), await fullBatch(120, stream, 0.5)];
    [0, 1].forEach((task) => {
      const error = ({ falls, paths }: typeof coarse) => Math.abs(paths[task]! - falls[task]!);
      expect(fine.falls[task]!).toBeGreaterThan(0.05);
      expect(error(fine)).toBeLessThan(0.1 * fine.falls[task]!);
      // Euler's rule: the error is proportional to the step.
      expect(error(fine) / error(coarse)).toBeGreaterThan(0.4);
      expect(error(fine) / error(coarse)).toBeLessThan(0.6);
    });
  });

  test('is the sum of -g times the move over the steps, whatever optimizer moves', async () => {
    const plugin = new SIPlugin({ c: 0 });
    let path: number[] = [];
    let [theta, g]: number[][] = [[], []];
    const watches = [
      watch('beforeTrainingExp', (s) => {
        path = weights(s).map(() => 0);
      }),
      watch('beforeUpdate', (s) => {
        [theta, g] = [weights(s), gradients(s)];
      }),
      watch('afterTrainingIteration', (s) => {
        path = weights(s).map((value, i) => path[i]! - g![i]! * (value - theta![i]!));
      }),
      watch('afterTrainingExp', () => {
        expectClose(numbers(plugin.path), path);
      }),
    ];
    const model = new nn.MLP([2, 8, 2], { rng: new Rng(0), dtype: 'float64' });
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.05, momentum: 0.9 });
    await toyStrategy({ model, optimizer, plugins: [plugin, ...watches] }).train(exactStream(2, 20));
    expect.assertions(4);
  });
});

describe('the penalty', () => {
  test('adds 2 c Omega (theta - theta~) to the gradient, with Omega = sum_k max(0, omega_k) / (distance^2 + xi)', async () => {
    const [c, xi] = [0.7, 0.3];
    const plugin = new SIPlugin({ c, xi });
    let [start, omega, anchor]: (number[] | null)[] = [null, null, null];
    let checked = 0;
    const watches = [
      watch('beforeTrainingExp', (s) => {
        start = weights(s);
      }),
      watch('afterBackward', (s) => {
        const plain = gradientOf(lossOn(s, s.batch!), s);
        const theta = weights(s);
        expectClose(
          gradients(s),
          plain.map((x, i) => (omega ? x + 2 * c * omega[i]! * (theta[i]! - anchor![i]!) : x)),
        );
        if (omega) checked++;
      }),
      watch('afterTrainingExp', (s) => {
        const path = numbers(plugin.path);
        anchor = weights(s);
        omega = anchor.map((end, i) => (omega?.[i] ?? 0) + Math.max(0, path[i]!) / ((end - start![i]!) ** 2 + xi));
        expectClose(numbers(plugin.importance), omega);
        expect(numbers(plugin.anchor)).toEqual(anchor);
      }),
    ];
    await toyStrategy({ plugins: [plugin, ...watches], dtype: 'float64' }).train(exactStream(3, 20));
    expect(checked).toBe(8);
  });
});

test.each([
  [{ c: -1 }, /c is -1/],
  [{ xi: 0 }, /xi is 0; expected a finite number > 0/],
])('%o is refused', (options, message) => {
  expect(() => new SIPlugin({ c: 1, ...options })).toThrow(message);
});
