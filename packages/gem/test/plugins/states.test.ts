// Every plugin's state: taken between any two steps, sent through JSON and loaded into a fresh plugin, it goes on bit for bit.

import { type Dataset, nn, optim } from '@gemlab/autograd';
import { Rng, readSafetensors, writeSafetensors } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EpisodicMemory } from '../../src/memory/index.ts';
import { GEMPlugin } from '../../src/plugins/gem.ts';
import {
  AGEMPlugin,
  CloneLastPlugin,
  DERPlugin,
  EWCPlugin,
  ICaRLPlugin,
  independentNets,
  LwFPlugin,
  MASPlugin,
  ReplayPlugin,
  SGEMPlugin,
  SIPlugin,
  type TaskSamples,
} from '../../src/plugins/index.ts';
import { type Json, type Stateful, StateMismatchError } from '../../src/state.ts';
import { CALLBACKS, type StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { streamOf } from '../../src/streams/index.ts';
import { toyStrategy, toyStream, weights } from '../toy.ts';

type StatefulPlugin = StrategyPlugin & Stateful;
const rng = () => new Rng(3);
const ring = () => new EpisodicMemory<TaskSamples>(6, 'reservoir', { rng: rng(), evictionLog: 5 });
const mlp = () => new nn.MLP([2, 6, 6], { rng: new Rng(5) });
const nets = () => independentNets(3, (task) => new nn.MLP([2, 4, 6], { rng: new Rng(task) }));
const factories: Record<string, (model: nn.Module) => StatefulPlugin> = {
  'a-gem': () => new AGEMPlugin({ memory: ring(), sampleSize: 4, rng: rng() }),
  's-gem': () => new SGEMPlugin({ memory: ring(), rng: rng() }),
  gem: () => new GEMPlugin({ patternsPerExperience: 4, rng: rng() }),
  'gem, avalanche': () => new GEMPlugin({ patternsPerExperience: 4, profile: 'avalanche', rng: rng() }),
  'gem, blocks, update, all details': () =>
    new GEMPlugin({
      patternsPerExperience: 4,
      groups: { blocks: 7 },
      project: 'update',
      record: 'all',
      actualChange: true,
    }),
  'gem, classes': () => new GEMPlugin({ patternsPerExperience: 4, groups: 'class', record: { every: 2 } }),
  replay: () => new ReplayPlugin({ memory: ring(), batchSize: 3, rng: rng() }),
  der: () => new DERPlugin({ total: 9, batchSize: 3, alpha: 0.5, beta: 0.5, rng: rng() }),
  ewc: () => new EWCPlugin({ lambda: 1, samples: 4, rng: rng() }),
  'ewc, online': () => new EWCPlugin({ lambda: 1, mode: 'online', decay: 0.5 }),
  si: () => new SIPlugin({ c: 1 }),
  mas: () => new MASPlugin({ lambda: 0.1, samples: 4, rng: rng() }),
  lwf: () => new LwFPlugin(),
  icarl: () => new ICaRLPlugin({ total: 5, features: (x) => x }),
  'clone-last': (model) => new CloneLastPlugin(model as nn.MultiHead),
};

// Every task has a label and two classes of its own.
const stream = streamOf(
  toyStream(3, 10).map(({ index, train, test: held }) => {
    const own = (d: Dataset) => d.withTargets(d.targets.add(2 * index));
    return { train: own(train), test: own(held), taskLabel: index };
  }),
);

/** Weights and accuracies after training; with `cut`, the plugin is replaced before that step by one that got its state. */
async function run(name: string, cut: number | null) {
  const model = name === 'clone-last' ? nets() : mlp();
  const make = () => factories[name]!(model);
  let plugin = make();
  const swap: StrategyPlugin = {
    name: 'swap',
    beforeTrainingIteration: ({ clock }) => {
      if (clock.step !== cut) return;
      const { tensors, data } = plugin.stateDict();
      const file = writeSafetensors(tensors);
      plugin = make();
      plugin.loadStateDict({ tensors: readSafetensors(file).tensors, data: JSON.parse(JSON.stringify(data)) });
    },
  };
  const delegate: StrategyPlugin = Object.fromEntries([
    ['name', 'delegate'],
    ...CALLBACKS.map((callback) => [callback, (s: never) => plugin[callback]?.(s)]),
  ]);
  const strategy = toyStrategy({
    model,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.5 }),
    plugins: [swap, delegate],
    trainBatchSize: 4,
  });
  await strategy.train(stream);
  const results = await strategy.eval(stream);
  const { tensors, data } = plugin.stateDict();
  const numbers = Object.fromEntries(Object.entries(tensors).map(([key, x]) => [key, x.toArray()]));
  return { weights: weights(strategy), results, data, numbers };
}

const spoiled: readonly [string, string, readonly unknown[]][] = [
  ['ewc', 'count', ['x', -1, 1.5, null]],
  ['gem', 'seen', ['x', -1, null]],
  ['lwf', 'classes', [5, [5], [[0, 1]], [['0', [1]]]]],
  ['icarl', 'classes', [5, ['0']]],
  ['icarl', 'old', [null, [-1]]],
  ['clone-last', 'trained', [0, [0.5]]],
];
test.each(spoiled)(
  '%s: a state whose %s is of another kind is refused, and nothing changes',
  async (name, part, wrong) => {
    const model = name === 'clone-last' ? nets() : mlp();
    const plugin = factories[name]!(model);
    await toyStrategy({ model, optimizer: new optim.SGD(model.parameters(), { lr: 0.1 }), plugins: [plugin] }).train(
      stream,
    );
    const { tensors, data } = plugin.stateDict();
    for (const value of wrong) {
      const load = () => plugin.loadStateDict({ tensors, data: { ...(data as object), [part]: value as Json } });
      expect(load).toThrow(StateMismatchError);
      expect(load).toThrow(`${part} of the state is `);
    }
    expect(plugin.stateDict().data).toEqual(data);
  },
);

const sized: Record<string, (n: number) => StatefulPlugin & { readonly memory: EpisodicMemory<TaskSamples> }> = {
  gem: (n) => new GEMPlugin({ patternsPerExperience: n }),
  'a-gem': (n) => new AGEMPlugin({ memory: new EpisodicMemory(n), sampleSize: 4, rng: rng() }),
  's-gem': (n) => new SGEMPlugin({ memory: new EpisodicMemory(n), rng: rng() }),
  replay: (n) => new ReplayPlugin({ memory: new EpisodicMemory(n), batchSize: 3, rng: rng() }),
  der: (n) => new DERPlugin({ total: n, batchSize: 3, alpha: 0.5, beta: 0.5, rng: rng() }),
};
test.each(Object.keys(sized))(
  '%s: adopts the state of one with another memory, which offers what it holds',
  async (name) => {
    const plugin = sized[name]!(5);
    await toyStrategy({ model: mlp(), plugins: [plugin] }).train(stream);
    const { tensors, data } = plugin.stateDict();
    const held = plugin.memory.contents.map(({ group, slot, ...origin }) => origin);
    for (const n of [3, 5, 9]) {
      const other = sized[name]!(n);
      other.adoptState!({ tensors, data });
      const adopted = other.memory.contents.map(({ group, slot, ...origin }) => origin);
      expect(held).toEqual(expect.arrayContaining(adopted));
      expect(adopted).toHaveLength(n < 5 ? (name === 'der' ? n : n * stream.length) : held.length);
      const { memory: _, ...rest } = data as { readonly memory: Json };
      expect(other.stateDict().data).toMatchObject(rest);
      if (n === 5) expect(other.stateDict().data).toEqual(data);
    }
  },
);

test.each<[string, (options: { readonly samples?: number; readonly rng?: Rng }) => StatefulPlugin]>([
  ['ewc', (options) => new EWCPlugin({ lambda: 1, ...options })],
  ['mas', (options) => new MASPlugin({ lambda: 0.1, ...options })],
])('%s: a state that was saved without a generator leaves the plugin its own', async (_, make) => {
  const [drawing, taught] = [0, 1].map(() => make({ samples: 4, rng: rng() }));
  taught!.loadStateDict(make({}).stateDict());
  const [a, b] = [drawing!, taught!].map((plugin) => toyStrategy({ model: mlp(), plugins: [plugin] }));
  for (const strategy of [a!, b!]) await strategy.train(stream);
  expect(weights(b!)).toEqual(weights(a!));
  expect(taught!.stateDict().data).toEqual(drawing!.stateDict().data);
});

describe.each(Object.keys(factories))('%s', (name) => {
  test('a run whose plugin was saved and loaded between two steps is the same run', async () => {
    const whole = await run(name, null);
    // Three steps in each of three tasks.
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 8 }), async (cut) => {
        expect(await run(name, cut)).toEqual(whole);
      }),
      { numRuns: 5 },
    );
  });

  test("a foreign plugin's state is refused by name", () => {
    const plugin = factories[name]!(nets());
    const foreign = { tensors: {}, data: { plugin: 'other' } };
    expect(() => plugin.loadStateDict(foreign)).toThrow(new RegExp(`plugin of the state is other.*'${plugin.name}'`));
    expect(() => plugin.loadStateDict({ tensors: {}, data: null })).toThrow(/plugin of the state/);
  });
});
