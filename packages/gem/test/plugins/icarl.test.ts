// iCaRL: its classifier on data that its features separate, its loss in plain numbers, and its exemplars.

import { nn, optim, type Variable, variable } from '@gemlab/autograd';
import { concat, Rng, randn, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { EpisodicMemory } from '../../src/memory/index.ts';
import { ICaRLPlugin } from '../../src/plugins/icarl.ts';
import type { TaskSamples } from '../../src/plugins/remember.ts';
import { ReplayPlugin } from '../../src/plugins/replay.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { type Stream, splitStream } from '../../src/streams/index.ts';
import { toyStrategy } from '../toy.ts';
import { expectClose, watch } from './support.ts';

/** Classes on the unit circle, 360/classes degrees apart, two for each task. */
function blobs(classes: number, each: number, std: number): Stream {
  const part = (seed: number) => {
    const labels = Array.from({ length: classes * each }, (_, i) => i % classes);
    const centres = labels.map((c) => [2 * Math.PI * (c / classes)].flatMap((a) => [Math.cos(a), Math.sin(a)]));
    const noise = randn([labels.length, 2], new Rng(seed), { std, dtype: 'float64' });
    return { inputs: noise.add(tensor(centres, { dtype: 'float64' })), targets: tensor(Int32Array.from(labels)) };
  };
  return splitStream({ train: part(0), test: part(1), classesPerTask: 2, scenario: 'class' });
}

/** A network whose features are those of its hidden layer, or its inputs. */
function learner(classes: number, total: number, hidden: 'learned' | 'inputs', lr = 0.1) {
  const trunk = new nn.MLP([2, 16], { rng: new Rng(1), dtype: 'float64' });
  const model = new nn.Sequential(
    trunk,
    new nn.ReLU(),
    new nn.Linear(16, classes, { rng: new Rng(2), dtype: 'float64' }),
  );
  const features = hidden === 'learned' ? (x: Variable) => trunk.forward(x).relu() : (x: Variable) => x;
  const plugin = new ICaRLPlugin({ total, features });
  return { model, plugin, optimizer: new optim.SGD(model.parameters(), { lr }) };
}

describe('the classifier', () => {
  test('nearest mean of exemplars is always right where features separate the classes, whatever was learned', async () => {
    const { model, plugin, optimizer } = learner(6, 12, 'inputs', 0);
    const stream = blobs(6, 20, 0.05);
    const strategy = toyStrategy({ model, optimizer, plugins: [plugin] });
    await strategy.train(stream);
    expect((await strategy.eval(stream)).map((r) => r.accuracy)).toEqual([1, 1, 1]);
  });

  test('its scores are minus the distance between unit features and unit means; unknown classes are infinitely far', async () => {
    const { model, plugin, optimizer } = learner(6, 9, 'learned');
    const stream = blobs(6, 10, 0.3);
    const unit = (x: readonly number[]) => x.map((v) => v / (Math.hypot(...x) || 1));
    const rows = (x: Variable) => (x.value.toArray() as number[][]).map(unit);
    let checked = 0;
    const audit = watch('afterEvalForward', (s) => {
      const phi = (inputs: Variable) => rows((model.layers[0] as nn.Module).forward(inputs).relu());
      const means = [0, 1, 2, 3, 4, 5].map((c) => {
        if (plugin.memory.size(c) === 0) return null;
        const f = phi(variable(plugin.memory.batch(c).inputs));
        return unit(f[0]!.map((_, j) => f.reduce((sum, row) => sum + row[j]!, 0) / f.length));
      });
      const scores = s.outputs!.value.toArray() as number[][];
      phi(variable(s.batch!.inputs)).forEach((x, i) => {
        means.forEach((mu, c) => {
          const distance = mu === null ? Number.POSITIVE_INFINITY : Math.hypot(...x.map((v, j) => v - mu[j]!));
          if (mu === null) expect(scores[i]![c]).toBe(-Infinity);
          else expect(scores[i]![c]).toBeCloseTo(-distance, 12);
          checked++;
        });
      });
    });
    const strategy = toyStrategy({ model, optimizer, plugins: [plugin, audit] });
    await strategy.train(stream.slice(0, 2));
    await strategy.eval(stream);
    expect(checked).toBe(3 * 20 * 6);
  });

  test('before there are exemplars the outputs are those of the network', async () => {
    const { model, plugin, optimizer } = learner(4, 8, 'learned');
    const stream = blobs(4, 5, 0.1);
    const results = await toyStrategy({ model, optimizer, plugins: [plugin] }).eval(stream);
    expect(results).toEqual(await toyStrategy({ model, optimizer }).eval(stream));
  });
});

describe('the loss', () => {
  const remembered = () => new EpisodicMemory<TaskSamples>({ total: 8 }, 'reservoir', { by: 'all', rng: new Rng(3) });
  const replay = () => new ReplayPlugin({ memory: remembered(), batchSize: 3, rng: new Rng(4) });
  test.each([
    ['alone', (own: StrategyPlugin) => [own]],
    ['after replay', (own: StrategyPlugin) => [replay(), own]],
    ['before replay', (own: StrategyPlugin) => [own, replay()]],
  ])(
    '%s, it is the sum over old and new classes of the binary cross-entropies, averaged over the batch',
    async (_, beside) => {
      const { model, plugin, optimizer } = learner(6, 9, 'learned');
      const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
      const ask = (inputs: Parameters<typeof variable>[0]) =>
        model.forward(variable(inputs)).value.toArray() as number[][];
      let q: number[][] = [];
      const found: number[] = [];
      const expected: number[] = [];
      const before = watch('beforeTrainingExp', (s) => {
        q = ask(s.dataset!.range(0, s.dataset!.length).inputs).map((row) => row.map(sigmoid));
      });
      const audit = watch('beforeBackward', (s) => {
        const t = s.clock.experience;
        const z = ask(s.batch!.inputs);
        const y = s.batch!.targets.toArray() as number[];
        const at = s.indices!.toArray() as number[];
        const bce = (target: number, logit: number) =>
          -(target * Math.log(sigmoid(logit)) + (1 - target) * Math.log(1 - sigmoid(logit)));
        const each = z.map((row, i) =>
          row.reduce((sum, logit, c) => {
            if (c >= 2 * t + 2) return sum;
            // Replayed samples were not asked about: their label is all that there is.
            return sum + bce(c >= 2 * t || i >= at.length ? Number(y[i] === c) : q[at[i]!]![c]!, logit);
          }, 0),
        );
        found.push(s.loss!.item() as number);
        expected.push(each.reduce((a, b) => a + b) / z.length);
      });
      await toyStrategy({ model, optimizer, plugins: [before, ...beside(plugin), audit] }).train(blobs(6, 10, 0.3));
      expectClose(found, expected, 1e-13);
      expect(found).toHaveLength(4 + 6 + 6);
    },
  );
});

describe('the exemplars', () => {
  test('are shared by all classes met, trained on with the new samples, and are herded from the training set', async () => {
    const { model, plugin, optimizer } = learner(6, 8, 'inputs');
    const stream = blobs(6, 10, 0.3);
    const lengths: number[] = [];
    const sizes: number[][] = [];
    const note = [
      watch('beforeTrainingEpoch', (s) => void lengths.push(s.dataset!.length)),
      watch('afterTrainingExp', () => void sizes.push(plugin.memory.groups.map((c) => plugin.memory.size(c)))),
    ];
    await toyStrategy({ model, optimizer, plugins: [plugin, ...note] }).train(stream);
    expect(lengths).toEqual([20, 28, 28]);
    expect(sizes).toEqual([
      [4, 4],
      [2, 2, 2, 2],
      [2, 2, 1, 1, 1, 1],
    ]);
    for (const { group, experience, index } of plugin.memory.contents) {
      const sample = stream[experience]!.train.range(index!, index! + 1);
      expect(sample.targets.toArray()).toEqual([group]);
    }
    const inputs = plugin.memory.contents.map(
      ({ experience, index }) => stream[experience]!.train.range(index!, index! + 1).inputs,
    );
    expect(plugin.memory.batch().inputs.toArray()).toEqual(concat(inputs).toArray());
  });

  test('none are refused', () => {
    expect(() => new ICaRLPlugin({ total: 0, features: (x) => x })).toThrow(/total is 0/);
  });
});
