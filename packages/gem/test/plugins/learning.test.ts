// What the papers promise, on streams small enough for a test: each method forgets less than plain fine-tuning does, and ends with a better
// accuracy over all tasks. Everything is seeded, so the numbers are the same on every machine; the margins asked for are less than half of
// those found.

import { losses, nn, optim, type Variable } from '@gemlab/autograd';
import { Rng, randn, tensor } from '@gemlab/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import { EpisodicMemory } from '../../src/memory/index.ts';
import type { AccuracyMatrix } from '../../src/metrics/index.ts';
import { GEMPlugin } from '../../src/plugins/gem.ts';
import {
  AGEMPlugin,
  CloneLastPlugin,
  CumulativePlugin,
  DERPlugin,
  EWCPlugin,
  ICaRLPlugin,
  independentNets,
  LwFPlugin,
  MASPlugin,
  multimodalMLP,
  ReplayPlugin,
  SGEMPlugin,
  SIPlugin,
  type TaskSamples,
} from '../../src/plugins/index.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { runStream } from '../../src/strategy/run-stream.ts';
import { Strategy } from '../../src/strategy/strategy.ts';
import { jointExperience, permutedStream, type Stream, shuffledStream, splitStream } from '../../src/streams/index.ts';
import { toyStream } from '../toy.ts';

const rng = () => new Rng(3);
const ring = () => new EpisodicMemory<TaskSamples>(30);
const reservoir = (total: number) => new EpisodicMemory<TaskSamples>({ total }, 'reservoir', { by: 'all', rng: rng() });

interface Setting {
  readonly stream: Stream;
  readonly model: nn.Module;
  readonly plugins?: readonly StrategyPlugin[];
  readonly epochs: number;
  readonly lr?: number;
}
const learner = ({ model, plugins = [], epochs, lr = 0.1 }: Omit<Setting, 'stream'>) =>
  new Strategy({
    model,
    optimizer: new optim.SGD(model.parameters(), { lr }),
    loss: losses.crossEntropy,
    plugins,
    trainBatchSize: 10,
    trainEpochs: epochs,
    rng: new Rng(1),
  });
const run = (setting: Setting): Promise<AccuracyMatrix> => runStream(learner(setting), setting.stream);

describe('tasks whose labelling turns (domain-incremental)', () => {
  const stream = toyStream(3, 100);
  const setting = (plugins: readonly StrategyPlugin[], epochs = 6) => ({
    stream,
    model: new nn.MLP([2, 16, 2], { rng: new Rng(0), init: 'xavier' }),
    plugins,
    epochs,
  });
  const naive = new Map<number, AccuracyMatrix>();
  beforeAll(async () => {
    for (const epochs of [6, 12]) naive.set(epochs, await run(setting([], epochs)));
  });

  test('fine-tuning forgets', () => {
    expect(naive.get(6)!.bwt()).toBeLessThan(-0.2);
    expect(naive.get(6)!.acc()).toBeLessThan(0.85);
  });

  const methods: Record<string, () => StrategyPlugin> = {
    GEM: () => new GEMPlugin({ patternsPerExperience: 30, memoryStrength: 0.1 }),
    'A-GEM': () => new AGEMPlugin({ memory: ring(), sampleSize: 30, rng: rng() }),
    'S-GEM': () => new SGEMPlugin({ memory: ring(), rng: rng() }),
    'experience replay': () => new ReplayPlugin({ memory: reservoir(60), batchSize: 10, rng: rng() }),
    'DER++': () => new DERPlugin({ total: 60, batchSize: 10, alpha: 0.2, beta: 0.5, rng: rng() }),
    EWC: () => new EWCPlugin({ lambda: 100 }),
    'EWC, labels of the model': () => new EWCPlugin({ lambda: 20, labels: 'model' }),
    'EWC, online': () => new EWCPlugin({ lambda: 100, mode: 'online' }),
    SI: () => new SIPlugin({ c: 1 }),
    MAS: () => new MASPlugin({ lambda: 0.1 }),
    LwF: () => new LwFPlugin({ lambda: 4 }),
    cumulative: () => new CumulativePlugin(stream),
  };
  test.each(Object.entries(methods))('%s forgets less and ends better', async (_, make) => {
    const matrix = await run(setting([make()]));
    expect(matrix.bwt()).toBeGreaterThan(naive.get(6)!.bwt() + 0.03);
    expect(matrix.acc()).toBeGreaterThan(naive.get(6)!.acc() + 0.015);
  });

  test('DER does, once the outputs that it remembers are those of a trained network', async () => {
    const dark = new DERPlugin({ total: 60, batchSize: 10, alpha: 0.5, beta: 0, rng: rng() });
    const matrix = await run(setting([dark], 12));
    expect(matrix.bwt()).toBeGreaterThan(naive.get(12)!.bwt() + 0.03);
    expect(matrix.acc()).toBeGreaterThan(naive.get(12)!.acc() + 0.015);
  });

  test('joint training and the shuffled oracle have nothing to forget', async () => {
    const oracle = await run({ ...setting([]), stream: shuffledStream(stream, rng()) });
    expect(oracle.acc()).toBeGreaterThan(naive.get(6)!.acc() + 0.05);
    expect(oracle.bwt()).toBeGreaterThan(-0.05);
    const joint = learner(setting([]));
    await joint.train(jointExperience(stream));
    for (const { accuracy } of await joint.eval(stream)) expect(accuracy).toBeGreaterThan(0.8);
  });
});

describe('new classes in every task (class-incremental)', () => {
  const classes = 6;
  const part = (seed: number, each: number) => {
    const labels = Array.from({ length: classes * each }, (_, i) => i % classes);
    const centres = labels.map((c) => [Math.cos((Math.PI * c) / 3), Math.sin((Math.PI * c) / 3)]);
    const inputs = randn([labels.length, 2], new Rng(seed), { std: 0.25 }).add(tensor(centres));
    return { inputs, targets: tensor(Int32Array.from(labels)) };
  };
  const stream = splitStream({ train: part(0, 50), test: part(1, 50), classesPerTask: 2, scenario: 'class' });
  const hidden = () => new nn.MLP([2, 32], { rng: new Rng(0) });
  const setting = (make: (features: (x: Variable) => Variable) => readonly StrategyPlugin[]) => {
    const trunk = hidden();
    const model = new nn.Sequential(trunk, new nn.ReLU(), new nn.Linear(32, classes, { rng: new Rng(2) }));
    return { stream, model, plugins: make((x) => trunk.forward(x).relu()), epochs: 8 };
  };
  let naive: AccuracyMatrix;
  beforeAll(async () => {
    naive = await run(setting(() => []));
  });

  test('fine-tuning forgets the first classes', () => {
    expect(naive.acc()).toBeLessThan(0.55);
  });

  test.each([
    ['iCaRL', (features: (x: Variable) => Variable) => new ICaRLPlugin({ total: 24, features })],
    ['experience replay', () => new ReplayPlugin({ memory: reservoir(24), batchSize: 10, rng: rng() })],
    ['DER++', () => new DERPlugin({ total: 24, batchSize: 10, alpha: 0.1, beta: 0.5, rng: rng() })],
  ] as const)('%s knows them all', async (_, make) => {
    const matrix = await run(setting((features) => [make(features)]));
    expect(matrix.acc()).toBeGreaterThan(naive.acc() + 0.15);
  });
});

describe('tasks that are told (permuted inputs)', () => {
  const part = (seed: number) => {
    const inputs = randn([120, 1, 8], new Rng(seed));
    return { inputs, targets: inputs.reshape([120, 8]).slice(null, [0, 3]).sum(1).gt(0).cast('int32') };
  };
  const stream = permutedStream({ train: part(0), test: part(1), tasks: 4, taskLabels: true, rng: new Rng(5) });
  const options = { rng: new Rng(0), init: 'xavier' } as const;
  const single = () => new nn.MLP([8, 12, 12, 2], { ...options, rng: new Rng(0) });
  let naive: AccuracyMatrix;
  beforeAll(async () => {
    naive = await run({ stream, model: single(), epochs: 12 });
  });

  test('independent networks forget nothing; copies of the last start from what was learned', async () => {
    const build = (task: number) => new nn.MLP([8, 6, 6, 2], { ...options, rng: new Rng(task) });
    const fresh = await run({ stream, model: independentNets(4, build), epochs: 12 });
    const nets = independentNets(4, build);
    const copied = await run({ stream, model: nets, plugins: [new CloneLastPlugin(nets)], epochs: 12 });
    for (const matrix of [fresh, copied]) {
      expect(matrix.bwt()).toBe(0);
      expect(matrix.acc()).toBeGreaterThan(naive.acc() + 0.05);
    }
  });

  test('an input layer for each task undoes the permutation', async () => {
    const model = multimodalMLP([8, 12, 12, 2], { tasks: 4, ...options, rng: new Rng(0) });
    const matrix = await run({ stream, model, epochs: 12 });
    expect(matrix.acc()).toBeGreaterThan(naive.acc() + 0.05);
    expect(matrix.bwt()).toBeGreaterThan(naive.bwt() + 0.05);
  });
});
