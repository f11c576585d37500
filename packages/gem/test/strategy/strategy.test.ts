// The training loop itself: what it counts, when it stops, and that it learns.

import { nn, type Variable } from '@gemlab/autograd';
import { Rng, Tensor } from '@gemlab/tensor';
import { expect, test } from 'vitest';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { runStream } from '../../src/strategy/run-stream.ts';
import { jointExperience, streamOf } from '../../src/streams/index.ts';
import { toyStrategy, toyStream, weights } from '../toy.ts';

test('it learns a task, and the same seed gives the same bits', async () => {
  const stream = toyStream(1, 200);
  const runs = [];
  for (let i = 0; i < 2; i++) {
    const strategy = toyStrategy();
    const [before] = await strategy.eval(stream);
    await strategy.train(stream);
    const [after] = await strategy.eval(stream);
    expect(after!.accuracy).toBeGreaterThan(0.9);
    expect(after!.loss).toBeLessThan(before!.loss);
    expect(after!.samples).toBe(200);
    runs.push(weights(strategy));
  }
  expect(runs[0]).toEqual(runs[1]);
});

test('evaluation does not change the model, and does not depend on its batch size', async () => {
  const stream = toyStream(2, 30);
  const strategy = toyStrategy({ evalBatchSize: 7 });
  const before = weights(strategy);
  const small = await strategy.eval(stream);
  expect(weights(strategy)).toEqual(before);
  const large = await toyStrategy({ evalBatchSize: 1000 }).eval(stream);
  expect(small.map((r) => r.accuracy)).toEqual(large.map((r) => r.accuracy));
  small.forEach((r, i) => {
    expect(r.loss).toBeCloseTo(large[i]!.loss, 6);
  });
});

test('without shuffling each epoch has the samples in the order of the dataset', async () => {
  const stream = toyStream(1, 7);
  const seen: unknown[] = [];
  const plugin: StrategyPlugin = {
    name: 'order',
    beforeForward: ({ batch }) => void seen.push(...(batch!.inputs.toArray() as number[][])),
  };
  await toyStrategy({ plugins: [plugin], shuffle: false, trainEpochs: 2, trainBatchSize: 3 }).train(stream);
  const inOrder = stream[0]!.train.range(0, 7).inputs.toArray() as number[][];
  expect(seen).toEqual([...inOrder, ...inOrder]);
});

test('the clock counts experiences, epochs, iterations and steps', async () => {
  const seen: string[] = [];
  const plugin: StrategyPlugin = {
    name: 'clock',
    beforeTrainingIteration: ({ clock: c }) =>
      void seen.push(`${c.experience}.${c.epoch}.${c.iteration}/${c.iterations}@${c.step}`),
  };
  const strategy = toyStrategy({ plugins: [plugin], trainEpochs: 2, trainBatchSize: 4 });
  await strategy.train(toyStream(2, 6));
  expect(seen).toEqual([
    '0.0.0/2@0',
    '0.0.1/2@1',
    '0.1.0/2@2',
    '0.1.1/2@3',
    '1.0.0/2@4',
    '1.0.1/2@5',
    '1.1.0/2@6',
    '1.1.1/2@7',
  ]);
  expect(strategy.clock).toMatchObject({ experience: 2, step: 8 });
});

test('an aborted run stops between two steps and keeps what was done', async () => {
  const signal = { aborted: false };
  const log: string[] = [];
  const plugin: StrategyPlugin = {
    name: 'stopper',
    afterTrainingIteration: ({ clock }) => {
      if (clock.experience === 1 && clock.iteration === 1) signal.aborted = true;
    },
    afterTrainingExp: () => void log.push('exp'),
    afterTraining: () => void log.push('training'),
  };
  const strategy = toyStrategy({ plugins: [plugin] });
  const matrix = await runStream(strategy, toyStream(3, 20), { signal });
  expect(strategy.clock).toMatchObject({ experience: 1, step: 6 });
  expect(log).toEqual(['exp', 'training']);
  expect(matrix.accuracies.map((row) => row.includes(null))).toEqual([false, true, true]);
  expect(() => matrix.acc()).toThrow();
});

test('a full run fills the accuracy matrix and tells of each piece', async () => {
  const events: number[] = [];
  const matrix = await runStream(toyStrategy(), toyStream(2, 20), { onEvent: (e) => void events.push(e.trained) });
  expect(events).toEqual([0, 1, 2]);
  expect(matrix.acc()).toBeGreaterThan(0.4);
  expect(Number.isFinite(matrix.fwt())).toBe(true);
});

test('a plugin may replace the dataset during adaptation', async () => {
  const stream = toyStream(2, 20);
  let batches = 0;
  const plugin: StrategyPlugin = {
    name: 'swap',
    afterTrainDatasetAdaptation: (s) => {
      s.dataset = stream[1]!.train;
    },
    afterTrainingIteration: () => void batches++,
  };
  const swapped = toyStrategy({ plugins: [plugin] });
  await swapped.train(stream[0]!);
  const plain = toyStrategy();
  await plain.train(stream[1]!);
  expect(weights(swapped)).toEqual(weights(plain));
  expect(batches).toBe(4);
});

test('the model is told the task of the experience, or of each sample where they come from several', async () => {
  const told: (number | number[] | undefined)[] = [];
  class Listener extends nn.Linear {
    override forward(x: Variable, task?: nn.Task): Variable {
      told.push(task instanceof Tensor ? (task.toArray() as number[]) : task);
      return super.forward(x);
    }
  }
  const model = new Listener(2, 2, { rng: new Rng(0) });
  const stream = streamOf(toyStream(2, 3).map((e) => ({ ...e, taskLabel: e.index + 4 })));
  const strategy = toyStrategy({ model, trainBatchSize: 6 });
  await strategy.train(stream[1]!);
  await strategy.eval(stream);
  const joint = jointExperience(stream);
  await strategy.train(joint);
  const order = strategy.indices!.toArray() as number[];
  expect(told).toEqual([5, 4, 5, order.map((i) => (i < 3 ? 4 : 5))]);
});

test('a plugin may replace the batch before forward, and its indices tell where the samples stand', async () => {
  const stream = toyStream(1, 10);
  const seen: number[][] = [];
  const plugin: StrategyPlugin = {
    name: 'halve',
    beforeForward: (s) => {
      expect(s.batch!.inputs.toArray()).toEqual(s.dataset!.batch(s.indices!).inputs.toArray());
      s.batch = s.dataset!.batch(s.indices!.slice([0, 2]));
    },
    afterForward: (s) => void seen.push([s.outputs!.shape[0]!, s.batch!.targets.size]),
  };
  await toyStrategy({ plugins: [plugin] }).train(stream);
  expect(seen).toEqual([
    [2, 2],
    [2, 2],
  ]);
});

test.each([
  ['trainBatchSize', 0],
  ['trainEpochs', 1.5],
  ['evalBatchSize', Number.NaN],
])('%s = %s is refused by name', (name, value) => {
  expect(() => toyStrategy({ [name]: value })).toThrow(new RegExp(`${name} is ${value}.*positive integer`));
});
