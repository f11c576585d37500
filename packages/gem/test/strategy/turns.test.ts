// Training and evaluation share a model and take turns with it, and a step that throws is as if it had not been begun.

import { losses, nn, optim } from '@gemlab/autograd';
import { Rng } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Callback, StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { Strategy } from '../../src/strategy/strategy.ts';
import { onlineStream } from '../../src/streams/index.ts';
import { toyStrategy, toyStream, weights } from '../toy.ts';

/** With layers that draw and layers that count, one of them frozen while training. */
function moodyStrategy(plugins: readonly StrategyPlugin[] = []): Strategy {
  const rng = new Rng(3);
  const frozen = new nn.BatchNorm1d(8);
  const layers = [new nn.Linear(2, 8, { rng }), new nn.BatchNorm1d(8), new nn.Dropout(0.5, { rng }), frozen];
  const model = new nn.Sequential(...layers, new nn.Linear(8, 2, { rng }));
  const freeze: StrategyPlugin = { name: 'freeze', beforeTrainingExp: () => void frozen.eval() };
  return new Strategy({
    model,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.1 }),
    loss: losses.crossEntropy,
    trainBatchSize: 5,
    evalBatchSize: 4,
    trainEpochs: 2,
    rng,
    plugins: [freeze, ...plugins],
  });
}

describe('an evaluation between two steps', () => {
  const stream = toyStream(2, 12);

  test('changes nothing of the training, awaited or not', async () => {
    const alone = moodyStrategy();
    await alone.train(stream);
    const whenever = fc.record({ step: fc.integer({ min: 1, max: 12 }), awaited: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(whenever, async ({ step, awaited }) => {
        const sizes: number[] = [];
        const note: StrategyPlugin = { name: 'note', beforeForward: (s) => void sizes.push(s.dataset!.length) };
        const strategy = moodyStrategy([note]);
        let results: Promise<readonly unknown[]> | undefined;
        const afterStep = async () => {
          if (strategy.clock.step !== step) return;
          results = strategy.eval(stream);
          if (awaited) await results;
        };
        await strategy.train(stream, { afterStep });
        expect((await results!).length).toBe(2);
        expect(sizes.length).toBe(12);
        expect(weights(strategy)).toEqual(weights(alone));
      }),
    );
  });

  test('puts back the experience, the data, the batch and the mode of every layer', async () => {
    const strategy = moodyStrategy();
    const state = () => ({
      experience: strategy.experience,
      dataset: strategy.dataset,
      indices: strategy.indices,
      modes: [...strategy.model.namedModules()].map(([, module]) => module.training),
    });
    await strategy.train(stream, {
      afterStep: async () => {
        const before = state();
        expect(before.modes).toContain(false);
        await strategy.eval(stream);
        expect(state()).toEqual(before);
      },
    });
  });

  test('outside of training, the model is ready for predictions after an evaluation', async () => {
    const strategy = moodyStrategy();
    await strategy.train(stream);
    await strategy.eval(stream);
    expect([...strategy.model.namedModules()].some(([, module]) => module.training)).toBe(false);
  });
});

test.each<Callback>(['beforeTrainingExp', 'beforeForward', 'afterTrainingEpoch', 'afterTraining', 'beforeEval'])(
  'a callback cannot evaluate or train: %s',
  async (callback) => {
    const stream = toyStream(1, 10);
    const refused: Promise<unknown>[] = [];
    const plugin: StrategyPlugin = {
      name: 'eager',
      [callback]: (s: Strategy) => {
        refused.push(expect(s.eval(stream)).rejects.toThrow(new RegExp(`under way is ${callback}`)));
        refused.push(expect(s.train(stream)).rejects.toThrow(new RegExp(`under way is ${callback}`)));
      },
    };
    const strategy = toyStrategy({ plugins: [plugin] });
    await strategy.train(stream);
    await strategy.eval(stream);
    expect(refused.length).toBeGreaterThan(0);
    await Promise.all(refused);
  },
);

test('one training or evaluation is refused while another is under way, and goes on after it', async () => {
  const stream = toyStream(1, 10);
  const strategy = toyStrategy();
  const refused = (call: Promise<unknown>, what: string) => expect(call).rejects.toThrow(`under way is ${what}`);
  const training = strategy.train(stream);
  await Promise.all([training, refused(strategy.train(stream), 'training')]);
  const evaluation = strategy.eval(stream);
  const others = [strategy.eval(stream), strategy.train(stream)].map((call) => refused(call, 'an evaluation'));
  expect((await evaluation).length).toBe(1);
  await Promise.all(others);
  expect(await strategy.train(stream)).toBe(true);
});

test('a step that throws leaves a state, and whoever resumes from it ends where an uninterrupted run does', async () => {
  const stream = toyStream(1, 35);
  const options = { accumulationSteps: 3, trainBatchSize: 5 };
  const whole = toyStrategy(options);
  await whole.train(stream);
  const failing: readonly Callback[] = ['beforeTrainingIteration', 'beforeForward', 'afterForward', 'afterBackward'];
  for (const callback of failing) {
    for (let step = 0; step < 7; step++) {
      const plugin: StrategyPlugin = {
        name: 'faulty',
        [callback]: ({ clock }: Strategy) => {
          if (clock.step === step) throw new Error('out of luck');
        },
      };
      const strategy = toyStrategy({ ...options, plugins: [plugin] });
      await expect(strategy.train(stream)).rejects.toThrow('out of luck');
      const resumed = toyStrategy(options);
      await resumed.train(stream, { middle: strategy.stateDict() });
      expect(weights(resumed)).toEqual(weights(whole));
    }
  }
});

test.each<Callback>(['beforeTrainDatasetAdaptation', 'beforeTrainingExp', 'beforeTrainingEpoch'])(
  'an experience may be ended before its first step: %s',
  async (callback) => {
    const plugin: StrategyPlugin = {
      name: 'skip',
      [callback]: (s: Strategy) => {
        if (s.experience!.index === 0) s.endExperience();
      },
    };
    const strategy = toyStrategy({ plugins: [plugin] });
    await strategy.train(toyStream(2, 10));
    expect(strategy.clock).toMatchObject({ experience: 2, step: 2 });
  },
);

describe('bad input is refused by name', () => {
  test.each([
    ['loss', undefined],
    ['loss', 'crossEntropy'],
    ['rng', undefined],
    ['rng', 7],
  ])('%s: %s', (name, value) => {
    expect(() => toyStrategy({ [name]: value })).toThrow(new RegExp(`Strategy: ${name} is ${value}`));
  });

  test('a generator of experiences, or none', async () => {
    const strategy = toyStrategy();
    const parts = onlineStream(toyStream(1, 10), { experienceSize: 5 });
    for (const stream of [parts, undefined, [null], {}] as unknown as Parameters<Strategy['train']>[0][]) {
      await expect(strategy.train(stream)).rejects.toThrow(/Strategy\.train: stream is/);
      await expect(strategy.eval(stream)).rejects.toThrow(/Strategy\.eval: stream is/);
    }
  });

  test('states that are none', () => {
    const strategy = moodyStrategy();
    const before = weights(strategy);
    const { data, tensors } = strategy.stateDict();
    for (const part of ['clock', 'plugins', 'moduleRngs', 'results', 'optimizer', 'rng']) {
      const damaged = { tensors, data: { ...(data as object), [part]: part === 'clock' ? {} : undefined } };
      const name = /StateMismatchError|StateError|RandomStateError/;
      expect(() => strategy.loadStateDict(damaged as never)).toThrow(
        expect.objectContaining({ name: expect.stringMatching(name) }),
      );
    }
    expect(weights(strategy)).toEqual(before);
  });
});
