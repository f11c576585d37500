// The baselines: what each is shown, what each shares, and what it leaves alone.

import { losses, nn, optim, variable } from '@gemlab/autograd';
import { Rng } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { CumulativePlugin } from '../../src/plugins/cumulative.ts';
import { GEMPlugin } from '../../src/plugins/gem.ts';
import { CloneLastPlugin, independentNets } from '../../src/plugins/independent.ts';
import { multimodalMLP } from '../../src/plugins/multimodal.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { Strategy } from '../../src/strategy/strategy.ts';
import { jointExperience, type Stream, streamOf } from '../../src/streams/index.ts';
import { toyStrategy, toyStream, weights } from '../toy.ts';
import { watch } from './support.ts';

const labelled = (tasks: number, samples: number): Stream =>
  streamOf(toyStream(tasks, samples).map((e) => ({ ...e, taskLabel: e.index })));
const strategyOf = (model: nn.Module, plugins: Strategy['plugins'] = []) =>
  new Strategy({
    model,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.1 }),
    loss: losses.crossEntropy,
    plugins,
    trainBatchSize: 5,
    rng: new Rng(7),
  });
const values = (module: nn.Module) => module.parameters().map((p) => p.value.toArray());

describe('cumulative', () => {
  test('trains on the samples of all experiences so far', async () => {
    const stream = toyStream(3, 10);
    const lengths: number[] = [];
    const plugin = new CumulativePlugin(stream);
    const note = watch('afterTrainDatasetAdaptation', (s) => {
      lengths.push(s.dataset!.length);
      const { inputs } = s.dataset!.range(0, s.dataset!.length);
      const all = stream
        .slice(0, s.clock.experience + 1)
        .flatMap((e) => e.train.range(0, 10).inputs.toArray() as number[][]);
      expect(inputs.toArray()).toEqual(all);
    });
    await toyStrategy({ plugins: [plugin, note] }).train(stream);
    expect(lengths).toEqual([10, 20, 30]);
  });

  test('on one experience is plain training, and on a stream of one what joint training is', async () => {
    const stream = toyStream(1, 20);
    const [cumulative, plain, joint] = [
      toyStrategy({ plugins: [new CumulativePlugin(stream)] }),
      toyStrategy(),
      toyStrategy(),
    ];
    await cumulative.train(stream);
    await plain.train(stream);
    await joint.train(jointExperience(stream));
    expect(weights(cumulative)).toEqual(weights(plain));
    expect(weights(joint)).toEqual(weights(plain));
  });

  test('a memory that is filled after the experience holds samples of that experience alone', async () => {
    const stream = toyStream(3, 10);
    const gem = new GEMPlugin({ patternsPerExperience: 6, profile: 'avalanche' });
    await toyStrategy({ plugins: [new CumulativePlugin(stream), gem] }).train(stream);
    const held = gem.memory.batch().inputs.toArray() as unknown[];
    expect(held).toHaveLength(18);
    gem.memory.contents.forEach(({ experience, index }, i) => {
      expect([held[i]]).toEqual(stream[experience]!.train.range(index!, index! + 1).inputs.toArray());
    });
  });

  test('and holds them as plugins have adapted them', async () => {
    const gem = new GEMPlugin({ patternsPerExperience: 6, profile: 'avalanche' });
    const adapt: StrategyPlugin = {
      name: 'adapt',
      beforeTrainDatasetAdaptation: (s) => {
        s.dataset = s.dataset!.map((x) => x.mul(0).add(7));
      },
    };
    await toyStrategy({ plugins: [adapt, gem] }).train(toyStream(2, 10));
    expect(new Set((gem.memory.batch().inputs.toArray() as number[][]).flat())).toEqual(new Set([7]));
  });

  test('an experience of another stream is refused', async () => {
    const strategy = toyStrategy({ plugins: [new CumulativePlugin(toyStream(2, 5))] });
    await expect(strategy.train(toyStream(2, 5))).rejects.toThrow(/experience is task 0; expected one of the plugin's/);
  });
});

describe('independent', () => {
  const build = (task: number) => new nn.MLP([2, 4, 2], { rng: new Rng(task) });

  test('each task trains its own network only', async () => {
    const nets = independentNets(3, build);
    const before = [0, 1, 2].map((t) => values(nets.heads[t]!));
    const stream = labelled(3, 20);
    await strategyOf(nets).train(stream[1]!);
    const after = [0, 1, 2].map((t) => values(nets.heads[t]!));
    expect(after[0]).toEqual(before[0]);
    expect(after[1]).not.toEqual(before[1]);
    expect(after[2]).toEqual(before[2]);
  });

  test('nothing is forgotten, and evaluation asks the right network', async () => {
    const nets = independentNets(2, build);
    const strategy = strategyOf(nets);
    const stream = labelled(2, 100);
    await strategy.train(stream[0]!);
    const [first] = await strategy.eval(stream);
    await strategy.train(stream[1]!);
    expect((await strategy.eval(stream))[0]).toEqual(first);
    const alone = strategyOf(build(0));
    await alone.train(stream[0]!);
    expect((await alone.eval(stream[0]!))[0]!.loss).toBe(first!.loss);
  });

  test('with CloneLastPlugin each starts as the one before ended; coming back to a task goes on with its own', async () => {
    const nets = independentNets(3, build);
    const starts: unknown[] = [];
    const ends: unknown[] = [];
    const strategy = strategyOf(nets, [
      new CloneLastPlugin(nets),
      watch('beforeTrainingExp', (s) => void starts.push(values(nets.heads[s.experience!.taskLabel]!))),
      watch('afterTrainingExp', (s) => void ends.push(values(nets.heads[s.experience!.taskLabel]!))),
    ]);
    const stream = labelled(3, 20);
    await strategy.train([stream[2]!, stream[0]!, stream[2]!, stream[1]!]);
    expect(starts[1]).toEqual(ends[0]);
    expect(starts[2]).toEqual(ends[0]);
    expect(starts[3]).toEqual(ends[2]);
  });

  test('CloneLastPlugin tells which task has no network', async () => {
    const nets = independentNets(2, build);
    const strategy = strategyOf(nets, [new CloneLastPlugin(nets)]);
    await expect(strategy.train(labelled(3, 5))).rejects.toThrow(/nets is those of \[0,1\]; expected .*task label 2/);
  });

  test('no tasks are refused', () => {
    expect(() => independentNets(0, build)).toThrow(/tasks is 0/);
  });
});

describe('multimodal', () => {
  const model = () => multimodalMLP([2, 4, 4, 2], { tasks: 2, rng: new Rng(0) });

  test('has an input layer for each task and shares the rest', async () => {
    const net = model();
    expect([...net.namedParameters()].map(([name, p]) => `${name} ${p.shape}`)).toHaveLength(2 * 2 + 2 * 2);
    const before = values(net);
    await strategyOf(net).train(labelled(2, 20)[1]!);
    const moved = values(net).map((v, i) => JSON.stringify(v) !== JSON.stringify(before[i]));
    expect(moved).toEqual([false, false, true, true, true, true, true, true]);
  });

  test('is an MLP on each task', () => {
    const net = model();
    const { inputs } = toyStream(1, 5)[0]!.train.range(0, 5);
    const plain = new nn.MLP([2, 4, 4, 2], { rng: new Rng(9) });
    const all = net.parameters();
    [...all.slice(2, 4), ...all.slice(4)].forEach((p, i) => {
      plain.parameters()[i]!.assign(p.value);
    });
    expect(net.forward(variable(inputs), 1).value.toArray()).toEqual(plain.forward(variable(inputs)).value.toArray());
  });

  test('needs a layer to share', () => {
    expect(() => multimodalMLP([2, 4], { tasks: 2, rng: new Rng(0) })).toThrow(/sizes is \[2,4\].*three at least/);
    expect(() => multimodalMLP([2, 4, 2], { tasks: 0, rng: new Rng(0) })).toThrow(/tasks is 0/);
  });
});
