// The order of callbacks is a contract: plugins written for Avalanche rely on it, event by event.

import { describe, expect, test } from 'vitest';
import { CALLBACKS, type StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { toyStrategy, toyStream } from '../toy.ts';

/** A plugin that writes down every callback it gets. */
function scribe(log: string[], name = ''): StrategyPlugin {
  const entries = CALLBACKS.map((callback) => [callback, () => void log.push(name + callback)]);
  return { name: 'scribe', ...Object.fromEntries(entries) };
}

const iteration = [
  'beforeTrainingIteration',
  'beforeForward',
  'afterForward',
  'beforeBackward',
  'afterBackward',
  'beforeUpdate',
  'afterUpdate',
  'afterTrainingIteration',
];
const evalIteration = ['beforeEvalIteration', 'beforeEvalForward', 'afterEvalForward', 'afterEvalIteration'];
const times = (n: number, events: readonly string[]) => Array.from({ length: n }, () => events).flat();

describe('callbacks', () => {
  test('training: two experiences, two epochs, three batches', async () => {
    const log: string[] = [];
    const strategy = toyStrategy({ plugins: [scribe(log)], trainEpochs: 2 });
    expect(await strategy.train(toyStream(2, 12))).toBe(true);
    const epoch = ['beforeTrainingEpoch', ...times(3, iteration), 'afterTrainingEpoch'];
    expect(log).toEqual([
      'beforeTraining',
      ...times(2, [
        'beforeTrainDatasetAdaptation',
        'afterTrainDatasetAdaptation',
        'beforeTrainingExp',
        ...times(2, epoch),
        'afterTrainingExp',
      ]),
      'afterTraining',
    ]);
  });

  test('evaluation: two experiences, two batches', async () => {
    const log: string[] = [];
    const strategy = toyStrategy({ plugins: [scribe(log)], evalBatchSize: 8 });
    await strategy.eval(toyStream(2, 12));
    expect(log).toEqual([
      'beforeEval',
      ...times(2, [
        'beforeEvalDatasetAdaptation',
        'afterEvalDatasetAdaptation',
        'beforeEvalExp',
        ...times(2, evalIteration),
        'afterEvalExp',
      ]),
      'afterEval',
    ]);
  });

  test('plugins are called in the order given', async () => {
    const log: string[] = [];
    const strategy = toyStrategy({ plugins: [scribe(log, 'a.'), scribe(log, 'b.')] });
    await strategy.train(toyStream(1, 5));
    expect(log.slice(0, 4)).toEqual([
      'a.beforeTraining',
      'b.beforeTraining',
      'a.beforeTrainDatasetAdaptation',
      'b.beforeTrainDatasetAdaptation',
    ]);
  });

  test('gradients are zero between beforeTrainingIteration and beforeForward, and there after backward', async () => {
    const seen: string[] = [];
    const note = (when: string) => (s: ReturnType<typeof toyStrategy>) =>
      void seen.push(`${when}:${s.optimizer.parameters.every((p) => p.grad === null) ? 'none' : 'some'}`);
    const plugin: StrategyPlugin = {
      name: 'note',
      beforeForward: note('beforeForward'),
      beforeBackward: note('beforeBackward'),
      afterBackward: note('afterBackward'),
      afterUpdate: note('afterUpdate'),
    };
    await toyStrategy({ plugins: [plugin] }).train(toyStream(1, 5));
    expect(seen).toEqual(['beforeForward:none', 'beforeBackward:none', 'afterBackward:some', 'afterUpdate:some']);
  });

  test('a callback that returns a promise is refused by name', async () => {
    const plugin = { name: 'late', beforeForward: () => Promise.resolve() } as unknown as StrategyPlugin;
    await expect(toyStrategy({ plugins: [plugin] }).train(toyStream(1, 5))).rejects.toThrow(
      /late\.beforeForward.*synchronous/,
    );
  });
});
