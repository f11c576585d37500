// Gradient accumulation: k batches make one update, the same that one batch k times as large would make; plugins act once for each update.

import { losses, nn, optim } from '@gemlab/autograd';
import { Rng } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EpisodicMemory } from '../../src/memory/index.ts';
import { AGEMPlugin } from '../../src/plugins/agem.ts';
import { EWCPlugin } from '../../src/plugins/ewc.ts';
import { type GEMOptions, GEMPlugin } from '../../src/plugins/gem.ts';
import type { TaskSamples } from '../../src/plugins/remember.ts';
import { SIPlugin } from '../../src/plugins/si.ts';
import { branchRun, type Experiment, memoryStore, readRun, resumeRun, startRun } from '../../src/run/index.ts';
import { CALLBACKS, type StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { Strategy } from '../../src/strategy/strategy.ts';
import { exactStream, expectClose } from '../plugins/support.ts';
import { contents } from '../run/experiment.ts';
import { toyStrategy, toyStream, weights } from '../toy.ts';

const gem = (options: Partial<GEMOptions> = {}) =>
  new GEMPlugin({ patternsPerExperience: 200, memoryStrength: 0.1, ...options });

describe('accumulationSteps', () => {
  // A memory that holds all samples, so that the batch size does not decide which; the order within it is that of the stream.
  const plugins: Record<string, () => StrategyPlugin[]> = {
    none: () => [],
    GEM: () => [gem()],
    'GEM, update': () => [gem({ project: 'update' })],
    EWC: () => [new EWCPlugin({ lambda: 1 })],
    SI: () => [new SIPlugin({ c: 1 })],
    // All that is remembered is the reference.
    'A-GEM': () => [
      new AGEMPlugin({ memory: new EpisodicMemory<TaskSamples>(200), sampleSize: 1000, rng: new Rng(1) }),
    ],
  };
  test.each(Object.keys(plugins))('%s: k batches of b are one batch of k b', async (name) => {
    const size = fc.record({
      samples: fc.integer({ min: 3, max: 17 }),
      b: fc.integer({ min: 1, max: 5 }),
      k: fc.integer({ min: 2, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(size, async ({ samples, b, k }) => {
        const run = async (trainBatchSize: number, accumulationSteps: number) => {
          const { model } = toyStrategy({ dtype: 'float64' });
          const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.5 });
          const options = { model, optimizer, plugins: plugins[name]!(), trainBatchSize, accumulationSteps };
          const strategy = toyStrategy({ ...options, trainEpochs: 2, seed: 5 });
          await strategy.train(exactStream(2, samples));
          return weights(strategy);
        };
        expectClose(await run(b, k), await run(b * k, 1), 1e-9);
      }),
      { numRuns: 8 },
    );
  });

  test('callbacks: updates come with the last batch of each, at the end of the epoch too', async () => {
    const log: string[] = [];
    const scribe = Object.fromEntries(CALLBACKS.map((name) => [name, () => void log.push(name)]));
    const gradients = (s: Strategy) => s.optimizer.parameters.every((p) => p.grad !== null);
    const kept: boolean[] = [];
    const watch: StrategyPlugin = { name: 'watch', beforeForward: (s) => void kept.push(gradients(s)) };
    const strategy = toyStrategy({ plugins: [{ name: 'scribe', ...scribe }, watch], accumulationSteps: 2 });
    await strategy.train(toyStream(1, 25));
    const batch = ['beforeTrainingIteration', 'beforeForward', 'afterForward', 'beforeBackward', 'afterBackward'];
    const update = ['beforeUpdate', 'afterUpdate'];
    const steps = log.slice(log.indexOf('beforeTrainingEpoch') + 1, log.indexOf('afterTrainingEpoch'));
    expect(steps).toEqual(
      [false, true, false, true, true].flatMap((last) => [...batch, ...(last ? update : []), 'afterTrainingIteration']),
    );
    expect(kept).toEqual([false, true, false, true, false]);
  });

  test('GEM looks at its memories once for each update, and records it with the last batch', async () => {
    const plugin = gem();
    const records: boolean[] = [];
    let passes = 0;
    let forwards = 0;
    const watch: StrategyPlugin = {
      name: 'watch',
      afterTrainingIteration: () => void records.push(plugin.lastRecord !== null),
    };
    class Counted extends nn.MLP {
      override forward(...args: Parameters<nn.MLP['forward']>) {
        forwards++;
        return super.forward(...args);
      }
    }
    const model = new Counted([2, 4, 2], { rng: new Rng(0) });
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
    const strategy = toyStrategy({ model, optimizer, plugins: [plugin, watch], accumulationSteps: 3 });
    const stream = toyStream(2, 30);
    await strategy.train(stream[0]!);
    passes = forwards;
    await strategy.train(stream[1]!);
    passes = forwards - passes;
    // Six batches, and the memory twice.
    expect(passes).toBe(8);
    expect(records.slice(6)).toEqual([false, false, true, false, false, true]);
  });

  test('an experience that is ended in the middle of an update leaves no gradient', async () => {
    let seen: boolean | null = null;
    const stop: StrategyPlugin = {
      name: 'stop',
      afterTrainingIteration: (s) => s.endExperience(),
      afterTrainingExp: (s) => {
        seen = s.optimizer.parameters.some((p) => p.grad !== null);
      },
    };
    const strategy = toyStrategy({ plugins: [stop], accumulationSteps: 2 });
    const before = weights(strategy);
    await strategy.train(toyStream(1, 20));
    expect(seen).toBe(false);
    expect(weights(strategy)).toEqual(before);
  });

  test('it must be a positive integer', () => {
    expect(() => toyStrategy({ accumulationSteps: 0 })).toThrow(/accumulationSteps is 0/);
  });
});

describe('a run resumed in the middle of an update', () => {
  interface Config {
    readonly gem: Partial<GEMOptions>;
  }
  function build({ gem: options }: Config): Experiment {
    const rng = new Rng(1);
    const model = new nn.Sequential(
      new nn.Linear(2, 6, { rng }),
      new nn.BatchNorm1d(6),
      new nn.ReLU(),
      new nn.Dropout(0.2, { rng: rng.foldIn(1) }),
      new nn.Linear(6, 2, { rng }),
    );
    const strategy = new Strategy({
      model,
      optimizer: new optim.Adam(model.parameters(), { lr: 0.02 }),
      loss: losses.crossEntropy,
      plugins: [gem({ patternsPerExperience: 6, ...options })],
      trainBatchSize: 4,
      accumulationSteps: 3,
      trainEpochs: 2,
      rng,
    });
    return { stream: toyStream(2, 19), strategy };
  }
  const cases: Record<string, Partial<GEMOptions>> = {
    plain: {},
    'update, blocks, every second step looked at': {
      project: 'update',
      groups: { blocks: 8 },
      record: { every: 2 },
      actualChange: true,
    },
    'classes, frozen': { groups: 'class', batchNorm: 'frozen', record: 'all' },
    avalanche: { profile: 'avalanche', groups: 'class', project: 'update' },
  };
  test.each(Object.keys(cases))('%s: from any checkpoint it is the same run', async (name) => {
    const config: Config = { gem: cases[name]! };
    const whole = memoryStore();
    await startRun(whole, { config, build, checkpointEvery: 1, keep: 'all' });
    const expected = await contents(whole);
    const { checkpoints } = await readRun(whole);
    expect(checkpoints.length).toBeGreaterThan(18);
    for (let left = 1; left < checkpoints.length; left += 2) {
      const store = memoryStore();
      for (const file of await whole.list()) await store.write(file, (await whole.read(file))!);
      for (const { file } of checkpoints.slice(left)) await store.remove(file);
      await resumeRun(store, { build, useOlder: true });
      expect(await contents(store)).toEqual(expected);
    }
  });

  test('branched off in the middle of an update, with nothing changed, it is the same; with other groups it goes on', async () => {
    // Regrouped, a memory may have a single sample, of which there are no statistics.
    const config: Config = { gem: { groups: { blocks: 8 }, project: 'update', batchNorm: 'frozen' } };
    const store = memoryStore();
    await startRun(store, { config, build, checkpointEvery: 4, keep: 'all' });
    const [whole] = [await readRun(store)];
    for (const step of [4, 7, 14]) {
      const same = memoryStore();
      const { comparison } = await branchRun<Config>(store, same, { step, change: {}, build });
      expect(comparison.difference).toBeNull();
      expect((await readRun(same)).records).toEqual(whole.records);
    }
    const changes: Partial<GEMOptions>[] = [
      { groups: { blocks: 5 } },
      { groups: 'class' },
      { patternsPerExperience: 3 },
    ];
    for (const change of changes) {
      const options = { step: 14, change: { gem: { ...config.gem, ...change } }, build };
      const { finished, comparison } = await branchRun<Config>(store, memoryStore(), options);
      expect(finished).toBe(true);
      expect(comparison.difference!.step).toBeGreaterThanOrEqual(14);
    }
  });
});
