// EWC against its formulas, worked out by hand where the model allows.

import { nn, optim, variable } from '@gemlab/autograd';
import { Rng, randn, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { type EWCOptions, EWCPlugin } from '../../src/plugins/ewc.ts';
import type { Strategy } from '../../src/strategy/strategy.ts';
import { streamOf } from '../../src/streams/index.ts';
import { toyStrategy, weights } from '../toy.ts';
import { exactStream, expectClose, gradientOf, gradients, lossOn, watch } from './support.ts';

const numbers = (x: { toArray(): unknown }) => x.toArray() as number[];

describe('the penalty', () => {
  test.each(['separate', 'online'] as const)(
    '%s: adds lambda sum_k F_k (theta - theta*_k) to the gradient',
    async (mode) => {
      const lambda = 3;
      const plugin = new EWCPlugin({ lambda, mode, decay: 0.7 });
      let pulled = 0;
      const audit = watch('afterBackward', (s) => {
        const plain = gradientOf(lossOn(s, s.batch!), s);
        const theta = weights(s);
        const pull = theta.map((value, i) =>
          plugin.consolidations.reduce(
            (sum, { fisher, anchor }) => sum + lambda * numbers(fisher)[i]! * (value - numbers(anchor)[i]!),
            0,
          ),
        );
        if (pull.some((x) => x !== 0)) pulled++;
        expectClose(
          gradients(s),
          plain.map((x, i) => x + pull[i]!),
        );
      });
      await toyStrategy({ plugins: [plugin, audit], dtype: 'float64' }).train(exactStream(3, 20));
      // Of 4 steps in each later task; the first of them stands on an anchor, alone if there is one only.
      expect(pulled).toBe(mode === 'separate' ? 7 : 6);
      expect(plugin.consolidations).toHaveLength(mode === 'separate' ? 3 : 1);
    },
  );

  test('is not there on the first task, nor ever with lambda = 0', async () => {
    const [ewc, zero, plain] = [
      toyStrategy({ plugins: [new EWCPlugin({ lambda: 5 })] }),
      toyStrategy({ plugins: [new EWCPlugin({ lambda: 0 })] }),
      toyStrategy(),
    ];
    const stream = exactStream(2, 20).map((e) => ({ ...e, train: e.train.map((x) => x.cast('float32')) }));
    for (const s of [ewc, zero, plain]) await s.train(stream[0]!);
    expect(weights(ewc)).toEqual(weights(plain));
    for (const s of [ewc, zero, plain]) await s.train(stream[1]!);
    expect(weights(zero)).toEqual(weights(plain));
    expect(weights(ewc)).not.toEqual(weights(plain));
  });

  test('anchors lie where tasks ended', async () => {
    const ends: number[][] = [];
    const plugin = new EWCPlugin({ lambda: 1 });
    const note = watch('afterTrainingExp', (s) => void ends.push(weights(s)));
    await toyStrategy({ plugins: [plugin, note] }).train(
      exactStream(2, 10).map((e) => ({ ...e, train: e.train.map((x) => x.cast('float32')) })),
    );
    expect(plugin.consolidations.map(({ anchor }) => numbers(anchor))).toEqual(ends);
  });
});

describe('the Fisher information', () => {
  // Logistic regression: p = softmax(W x + b), and d log p_y / d W_cj = ([y = c] - p_c) x_j.
  const n = 40;
  const inputs = randn([n, 3], new Rng(1), { dtype: 'float64' });
  const targets = tensor(Int32Array.from({ length: n }, (_, i) => i % 2));
  const model = () => new nn.Linear(3, 2, { rng: new Rng(2), dtype: 'float64' });
  const strategyWith = (options: Partial<EWCOptions>, net: nn.Module = model()) => {
    const plugin = new EWCPlugin({ lambda: 1, ...options });
    const stream = streamOf([{ train: { inputs, targets }, test: { inputs, targets } }]);
    const strategy = toyStrategy({
      model: net,
      optimizer: new optim.SGD(net.parameters(), { lr: 1e-9 }),
      plugins: [plugin],
    });
    strategy.experience = stream[0]!;
    strategy.dataset = stream[0]!.train;
    return { plugin, strategy, stream };
  };
  const byHand = ({ model: net }: Strategy, square: (p: number, isLabel: boolean) => number): number[] => {
    const p = net.forward(variable(inputs)).value.softmax(1).toArray() as number[][];
    const x = inputs.toArray() as number[][];
    const mean = (c: number, j: number | null) =>
      x.reduce((sum, row, i) => sum + square(p[i]![c]!, i % 2 === c) * (j === null ? 1 : row[j]! ** 2), 0) / n;
    return [...[0, 1].flatMap((c) => [0, 1, 2].map((j) => mean(c, j))), mean(0, null), mean(1, null)];
  };

  test('with given labels is the mean of ([y = c] - p_c)^2 x_j^2', () => {
    const { plugin, strategy } = strategyWith({});
    expectClose(
      numbers(plugin.fisher(strategy)),
      byHand(strategy, (p, own) => ((own ? 1 : 0) - p) ** 2),
      1e-14,
    );
  });

  test("with the model's labels is the mean of p_c (1 - p_c) x_j^2", () => {
    const { plugin, strategy } = strategyWith({ labels: 'model' });
    expectClose(
      numbers(plugin.fisher(strategy)),
      byHand(strategy, (p) => p * (1 - p)),
      1e-14,
    );
  });

  test('is that of single samples: the square of a mean gradient would be smaller', () => {
    const { plugin, strategy } = strategyWith({});
    const mean = gradientOf(lossOn(strategy, strategy.dataset!.range(0, n)), strategy);
    const fisher = numbers(plugin.fisher(strategy));
    mean.forEach((g, i) => {
      expect(fisher[i]!).toBeGreaterThan(g ** 2);
    });
  });

  test('on some samples lies near that on all, is drawn anew each time, and by the generator alone', () => {
    const all = numbers(strategyWith({}).plugin.fisher(strategyWith({}).strategy));
    const some = strategyWith({ samples: 30, rng: new Rng(3) });
    const [first, second] = [numbers(some.plugin.fisher(some.strategy)), numbers(some.plugin.fisher(some.strategy))];
    const again = strategyWith({ samples: 30, rng: new Rng(3) });
    expect(numbers(again.plugin.fisher(again.strategy))).toEqual(first);
    expect(second).not.toEqual(first);
    expectClose(first, all, 0.5);
  });

  test('online: what was there decays, the new one is added, and the anchor is the last', async () => {
    const seen: number[][] = [];
    const plugin = new EWCPlugin({ lambda: 1, mode: 'online', decay: 0.25 });
    const note = watch('afterTrainingExp', (s) => void seen.push(numbers(plugin.fisher(s))));
    const strategy = toyStrategy({ plugins: [note, plugin], dtype: 'float64' });
    await strategy.train(exactStream(3, 10));
    const expected = seen[0]!.map((_, i) => 0.25 * (0.25 * seen[0]![i]! + seen[1]![i]!) + seen[2]![i]!);
    expectClose(numbers(plugin.consolidations[0]!.fisher), expected, 1e-14);
    expect(numbers(plugin.consolidations[0]!.anchor)).toEqual(weights(strategy));
  });

  test('leaves layers and gradients as they were', () => {
    const net = new nn.Sequential(model(), new nn.ReLU());
    const { plugin, strategy } = strategyWith({}, net);
    net.train();
    const [, relu] = [...net.namedModules()][2]!;
    relu.training = false;
    plugin.fisher(strategy);
    expect([...net.namedModules()].map(([, m]) => m.training)).toEqual([true, true, false]);
    expect(net.parameters().every((p) => p.grad === null)).toBe(true);
  });
});

test.each([
  [{ lambda: -1 }, /lambda is -1/],
  [{ decay: 1.5 }, /decay is 1.5; expected a number from 0 to 1/],
  [{ mode: 'offline' as 'online' }, /mode is offline/],
  [{ labels: 'guessed' as 'given' }, /labels is guessed/],
  [{ samples: 5 }, /rng is undefined/],
  [{ samples: 0, rng: new Rng(0) }, /samples is 0/],
])('%o is refused', (options, message) => {
  expect(() => new EWCPlugin({ lambda: 1, ...options })).toThrow(message);
});
