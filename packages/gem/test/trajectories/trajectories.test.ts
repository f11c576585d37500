// Whole runs of GEM against recordings made by other means: PyTorch in float64, quadratic programs solved in 60 digits, each profile's rules
// written down a second time in Python (fixtures/make_trajectories.py). Given the same data, initial weights, batches and memories, every
// step must have the same loss, products <g, g_k>, multipliers and weights, to 1e-9.

import { readFileSync } from 'node:fs';
import { Dataset, losses, nn, optim } from '@gemlab/autograd';
import { concat, Rng, type Tensor, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { GEMPlugin, type ProfileName, Strategy, type StrategyPlugin, streamOf } from '../../src/index.ts';

interface Trajectory {
  readonly spec: {
    readonly profile: ProfileName;
    readonly widths: number[];
    readonly activation: 'relu' | 'tanh';
    readonly heads: number;
    readonly samples: number;
    readonly batch: number;
    readonly epochs: number;
    readonly lr: number;
    readonly momentum: number;
    readonly nesterov: boolean;
    readonly weight_decay: number;
    readonly patterns: number;
    readonly memory_strength: number;
    /** The projected gradient was rounded to float32 on its way to the optimizer. */
    readonly float32: boolean;
  };
  readonly initial: Record<string, number[] | number[][]>;
  readonly data: { readonly inputs: number[][]; readonly targets: number[] }[];
  /** The order in which the experience passes by the memory after training. */
  readonly passes: number[][];
  /** What each task's memory holds in the end: positions in its data. */
  readonly memories: number[][];
  readonly steps: {
    readonly task: number;
    readonly batch: number[];
    readonly loss: number;
    readonly dots: number[];
    readonly projected?: boolean;
    /** null: not projected, or not unique. */
    readonly v: number[] | null;
    readonly weights: number[];
  }[];
}

const names = [
  'avalanche-linear',
  'avalanche-mlp-momentum',
  'avalanche-large-memory',
  'avalanche-heads',
  'avalanche-heads-plain',
  'avalanche-float32-handover',
  'reference-ring',
  'reference-heads',
  'exact-mlp',
  'exact-heads-momentum',
  'exact-repeated-task',
] as const;

const load = (name: string): Trajectory =>
  JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8')) as Trajectory;

const float64 = (values: number[] | number[][]): Tensor => tensor(values, { dtype: 'float64' });
const places = (list: readonly number[]): Tensor => tensor(Int32Array.from(list));

function modelOf({ spec, initial }: Trajectory): nn.Module {
  const options = { rng: new Rng(0), dtype: 'float64' } as const;
  const { widths, activation, heads } = spec;
  const layers: nn.Module[] = widths
    .slice(0, -2)
    .flatMap((width, i) => [
      new nn.Linear(width, widths[i + 1]!, options),
      activation === 'relu' ? new nn.ReLU() : new nn.Tanh(),
    ]);
  const last = () => new nn.Linear(widths.at(-2)!, widths.at(-1)!, options);
  layers.push(heads === 0 ? last() : new nn.MultiHead(Array.from({ length: heads }, last)));
  const model = new nn.Sequential(...layers);
  model.loadStateDict(Object.fromEntries(Object.entries(initial).map(([key, values]) => [key, float64(values)])));
  return model;
}

/** The experiences with their samples in the order in which they were recorded. */
const streamFor = ({ data, spec }: Trajectory) =>
  streamOf(
    data.map(({ inputs, targets }, k) => {
      const samples = new Dataset({ inputs: float64(inputs), targets: places(targets) });
      return { train: samples, test: samples, taskLabel: spec.heads === 0 ? 0 : k };
    }),
  );

const gemFor = ({ profile, patterns, memory_strength }: Trajectory['spec']) =>
  new GEMPlugin({ patternsPerExperience: patterns, memoryStrength: memory_strength, profile, rng: null });

const optimizerFor = (model: nn.Module, { lr, momentum, nesterov, weight_decay }: Trajectory['spec']) =>
  new optim.SGD(model.parameters(), { lr, momentum, nesterov, weightDecay: weight_decay });

function expectNear(found: ArrayLike<number>, expected: readonly number[], what: string): void {
  expect(found.length, what).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(found[i]! - value), `${what}, entry ${i}`).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(value)));
  });
}

/** Compares every step with its recording; comes after the plugin. */
function comparison({ steps }: Trajectory, gem: GEMPlugin): StrategyPlugin {
  return {
    name: 'comparison',
    afterTrainingIteration: ({ clock, loss, model }) => {
      const step = steps[clock.step]!;
      const where = (what: string) => `step ${clock.step}: ${what}`;
      expect(clock.experience, where('experience')).toBe(step.task);
      expectNear([loss!.item() as number], [step.loss], where('loss'));
      expectNear(gem.lastRecord?.dots ?? [], step.dots, where('dots'));
      expect(gem.lastRecord !== null && gem.lastRecord.projection !== null, where('projected')).toBe(
        step.projected === true,
      );
      if (step.v !== null) expectNear(gem.lastRecord!.projection!.v, step.v, where('v'));
      const weights = concat(model.parameters().map((p) => p.value.reshape([-1]))).toArray() as number[];
      expectNear(weights, step.weights, where('weights'));
    },
  };
}

describe('with the recorded batches put before each step', () => {
  test.each(names)('%s', async (name) => {
    const trajectory = load(name);
    const { spec, steps, passes, memories } = trajectory;
    const model = modelOf(trajectory);
    const gem = gemFor(spec);
    const given: StrategyPlugin = {
      name: 'given',
      beforeTrainingIteration: (s) => {
        s.indices = places(steps[s.clock.step]!.batch);
        s.batch = s.dataset!.batch(s.indices);
      },
      // Where the whole experience fits, the plugin's own pass will do.
      afterTrainingExp: ({ dataset, clock }) => {
        if (spec.profile !== 'avalanche' || spec.patterns >= spec.samples) return;
        gem.updateMemory(dataset!.subset(places(passes[clock.experience]!)), clock.experience, spec.batch);
      },
    };
    // Avalanche returns the projected gradient as float32, whatever the model's dtype is. That is a line of one's own.
    const handover: StrategyPlugin = {
      name: 'handover',
      beforeUpdate: ({ optimizer }) => {
        if (!spec.float32 || gem.lastRecord?.projection == null) return;
        for (const p of optimizer.parameters) {
          if (p.grad !== null) p.grad = p.lift('grad', p.grad.value.cast('float32').cast('float64'), p.dtype);
        }
      },
    };
    const strategy = new Strategy({
      model,
      optimizer: optimizerFor(model, spec),
      loss: losses.crossEntropy,
      plugins: [given, gem, handover, comparison(trajectory, gem)],
      trainBatchSize: spec.batch,
      trainEpochs: spec.epochs,
      rng: new Rng(0),
    });
    const stream = streamFor(trajectory);
    await strategy.train(stream);
    expect(strategy.clock.step).toBe(steps.length);
    expect(steps.filter((step) => step.projected).length).toBeGreaterThan(2);
    const order = (rows: unknown) => (rows as number[][]).map((row) => JSON.stringify(row)).sort();
    memories.forEach((slots, task) => {
      const samples = stream[task]!.train.batch(places(slots));
      expect(order(gem.memory.batch(task).inputs.toArray())).toEqual(order(samples.inputs.toArray()));
    });
  });
});

describe('with nothing but data in the recorded order', () => {
  test.each(names.filter((name) => load(name).spec.epochs === 1))('%s', async (name) => {
    const trajectory = load(name);
    const { spec, steps, passes } = trajectory;
    const model = modelOf(trajectory);
    const gem = gemFor(spec);
    const strategy = new Strategy({
      model,
      optimizer: optimizerFor(model, spec),
      loss: losses.crossEntropy,
      plugins: [gem, comparison(trajectory, gem)],
      trainBatchSize: spec.batch,
      shuffle: false,
      rng: new Rng(0),
    });
    for (const experience of streamFor(trajectory)) {
      const mine = steps.filter((step) => step.task === experience.index).flatMap((step) => step.batch);
      // Filled before the experience, the memory has no room for the plugin's own pass after it.
      if (spec.profile === 'avalanche') {
        gem.updateMemory(experience.train.subset(places(passes[experience.index]!)), experience.index, spec.batch);
      }
      await strategy.train({ ...experience, train: experience.train.subset(places(mine)) });
    }
    expect(strategy.clock.step).toBe(steps.length);
  });
});
