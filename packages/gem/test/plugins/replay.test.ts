// Experience replay and dark experience replay: the loss of every step, written out, and what the memory holds.

import { losses, variable } from '@gemlab/autograd';
import { Rng } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EpisodicMemory, gradientBased, herding } from '../../src/memory/index.ts';
import { AGEMPlugin } from '../../src/plugins/agem.ts';
import { type DEROptions, DERPlugin } from '../../src/plugins/der.ts';
import { GEMPlugin } from '../../src/plugins/gem.ts';
import { sampleGradients } from '../../src/plugins/loss-gradient.ts';
import type { TaskSamples } from '../../src/plugins/remember.ts';
import { type ReplayOptions, ReplayPlugin } from '../../src/plugins/replay.ts';
import { SGEMPlugin } from '../../src/plugins/sgem.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { streamOf } from '../../src/streams/index.ts';
import { toyStrategy, toyStream, weights } from '../toy.ts';
import { exactStream, expectClose, gradientOf, gradients, lossOn, watch } from './support.ts';

const reservoir = (total: number) =>
  new EpisodicMemory<TaskSamples>({ total }, 'reservoir', { by: 'all', rng: new Rng(1) });
const replay = (options: Partial<ReplayOptions> = {}) =>
  new ReplayPlugin({ memory: reservoir(12), batchSize: 4, rng: new Rng(2), ...options });

describe('experience replay', () => {
  test('every step descends the mean loss over the batch and remembered samples', async () => {
    const plugin = replay();
    let fresh: unknown[] = [];
    const sizes: number[] = [];
    const before = watch('beforeForward', (s) => {
      fresh = s.batch!.inputs.toArray() as unknown[];
    });
    const audit = watch('afterBackward', (s) => {
      const { inputs, targets } = s.batch!;
      const all = inputs.toArray() as unknown[];
      expect(all.slice(0, fresh.length)).toEqual(fresh);
      const held = plugin.memory.size() === 0 ? [] : (plugin.memory.batch().inputs.toArray() as unknown[]);
      for (const x of all.slice(fresh.length)) expect(held).toContainEqual(x);
      sizes.push(all.length - fresh.length);
      expectClose(gradients(s), gradientOf(lossOn(s, { inputs, targets }), s));
    });
    await toyStrategy({ plugins: [before, plugin, audit], dtype: 'float64' }).train(exactStream(2, 20));
    expect(sizes).toEqual([0, 4, 4, 4, 4, 4, 4, 4]);
  });

  test('remembers the samples as they came, whatever plugins behind it make of the batch', async () => {
    const held = async (...behind: StrategyPlugin[]) => {
      const plugin = replay();
      await toyStrategy({ plugins: [plugin, ...behind] }).train(toyStream(2, 20));
      return plugin.memory.batch().inputs.toArray();
    };
    const blank = watch('beforeForward', (s) => {
      s.batch = { ...s.batch!, inputs: s.batch!.inputs.mul(0) };
    });
    expect(await held(blank)).toEqual(await held());
  });

  test('the memory is what the policy makes of the stream, with its provenance', async () => {
    const plugin = replay();
    const alone = reservoir(12);
    const other = watch('beforeTrainingIteration', (s) => {
      const tasks = s.batch!.targets.mul(0);
      alone.add(s.clock.experience, { ...s.batch!, tasks }, { indices: s.indices, step: s.clock.step });
    });
    const stream = toyStream(3, 30);
    await toyStrategy({ plugins: [other, plugin] }).train(stream);
    expect(plugin.memory.contents).toEqual(alone.contents);
    const inputs = plugin.memory.batch().inputs.toArray() as unknown[];
    plugin.memory.contents.forEach(({ experience, index }, i) => {
      const { train } = stream[experience]!;
      expect(inputs[i]).toEqual((train.range(index!, index! + 1).inputs.toArray() as unknown[])[0]);
    });
  });

  test('remembers task labels, and shows them to the model', async () => {
    const stream = streamOf(toyStream(2, 20).map((e) => ({ ...e, taskLabel: e.index + 3 })));
    const plugin = replay();
    const seen = new Set<number>();
    const note = watch('beforeBackward', (s) => {
      for (const t of (s.batch!.tasks?.toArray() as number[] | undefined) ?? []) seen.add(t);
    });
    await toyStrategy({ plugins: [plugin, note] }).train(stream);
    expect([...seen].sort()).toEqual([3, 4]);
  });

  test('takes memories that look at gradients, and memories that look at whole experiences', async () => {
    const strategy = toyStrategy();
    const gss = gradientBased<TaskSamples>(sampleGradients(strategy.model, losses.crossEntropy), { compared: 3 });
    const byGradient = replay({
      memory: new EpisodicMemory<TaskSamples>({ total: 6 }, gss, { by: 'all', rng: new Rng(0) }),
    });
    const byHerd = replay({
      memory: new EpisodicMemory<TaskSamples>(
        3,
        herding(({ inputs }) => inputs),
        { by: 'class' },
      ),
    });
    const sizes: number[] = [];
    const note = watch('afterTrainingIteration', () => void sizes.push(byHerd.memory.size()));
    const { model, optimizer } = strategy;
    await toyStrategy({ model, optimizer, plugins: [byGradient, byHerd, note] }).train(toyStream(2, 10));
    expect(byGradient.memory.size()).toBe(6);
    expect(sizes).toEqual([0, 0, 6, 6]);
  });

  test.each([[{ batchSize: 0 }, /batchSize is 0/]])('%o is refused', (options, message) => {
    expect(() => replay(options)).toThrow(message);
  });
});

describe('beside a plugin that adds samples to the batch', () => {
  const ring = () => new EpisodicMemory<TaskSamples>(8);
  const rng = () => new Rng(6);
  const methods: Record<string, () => StrategyPlugin & { readonly memory: EpisodicMemory<TaskSamples> }> = {
    gem: () => new GEMPlugin({ patternsPerExperience: 8 }),
    'gem, blocks': () => new GEMPlugin({ patternsPerExperience: 8, groups: { blocks: 7 } }),
    'a-gem': () => new AGEMPlugin({ memory: ring(), sampleSize: 4, rng: rng() }),
    's-gem': () => new SGEMPlugin({ memory: ring(), rng: rng() }),
    der: () => der(),
    replay: () => replay({ memory: ring() }),
  };

  test.each(Object.keys(methods))('%s remembers what it does alone, whichever comes first', async (name) => {
    const stream = toyStream(3, 17);
    const remembered = async (others: (own: StrategyPlugin) => StrategyPlugin[]) => {
      const own = methods[name]!();
      await toyStrategy({ plugins: others(own) }).train(stream);
      const { inputs, targets, tasks } = own.memory.batch();
      return [own.memory.contents, inputs.toArray(), targets.toArray(), tasks.toArray()];
    };
    const alone = await remembered((own) => [own]);
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.integer({ min: 1, max: 9 }), async (isFirst, batchSize) => {
        const other = replay({ batchSize });
        expect(await remembered((own) => (isFirst ? [own, other] : [other, own]))).toEqual(alone);
      }),
      { numRuns: 8 },
    );
  });
});

describe('sampleGradients', () => {
  test('are the gradients of the samples one by one, and average to that of the batch', () => {
    const strategy = toyStrategy({ dtype: 'float64' });
    const batch = exactStream(1, 9)[0]!.train.range(0, 9);
    const each = sampleGradients(strategy.model, losses.crossEntropy)(batch);
    expect(each.shape).toEqual([9, strategy.model.parameters().reduce((n, p) => n + p.size, 0)]);
    expectClose(each.mean(0).toArray() as number[], gradientOf(lossOn(strategy, batch), strategy), 1e-13);
    const third = exactStream(1, 9)[0]!.train.range(2, 3);
    expectClose(each.slice(2).toArray() as number[], gradientOf(lossOn(strategy, third), strategy), 1e-13);
  });
});

const der = (options: Partial<DEROptions> = {}) =>
  new DERPlugin({ total: 12, batchSize: 4, alpha: 0.3, beta: 0.7, rng: new Rng(4), ...options });

describe('dark experience replay', () => {
  test('with alpha = beta = 0 is fine-tuning, bit for bit', async () => {
    const [dark, plain] = [toyStrategy({ plugins: [der({ alpha: 0, beta: 0 })] }), toyStrategy()];
    for (const s of [dark, plain]) await s.train(toyStream(2, 30));
    expect(weights(dark)).toEqual(weights(plain));
  });

  test.each([
    [0.3, 0],
    [0, 0.7],
    [0.3, 0.7],
  ])('alpha = %d, beta = %d: the loss of every step is the formula', async (alpha, beta) => {
    // Batches of all that is held: it does not matter in which order they are drawn.
    const plugin = der({ alpha, beta, batchSize: 12 });
    let before = 0;
    let terms = 0;
    const first = watch('beforeBackward', (s) => {
      before = s.loss!.item() as number;
      if (plugin.memory.size() === 0) return;
      const { outputs, ...held } = plugin.memory.batch();
      const now = s.model.forward(variable(held.inputs));
      const square = losses.mse(now, outputs).item() as number;
      terms = before + alpha * square + beta * (lossOn(s, held).item() as number);
    });
    const second = watch('beforeBackward', (s) => {
      if (plugin.memory.size() === 0) expect(s.loss!.item()).toBe(before);
      else expectClose([s.loss!.item() as number], [terms]);
    });
    await toyStrategy({ plugins: [first, plugin, second], dtype: 'float64' }).train(exactStream(2, 20));
    expect(plugin.memory.size()).toBe(12);
  });

  test('remembers the outputs that the network had for a sample when it was stored', async () => {
    const plugin = der();
    const had = new Map<string, number[]>();
    const note = watch('afterForward', (s) => {
      const outputs = s.outputs!.value.toArray() as number[][];
      (s.indices!.toArray() as number[]).forEach((index, i) => {
        had.set(`${s.clock.step} ${s.clock.experience} ${index}`, outputs[i]!);
      });
    });
    await toyStrategy({ plugins: [plugin, note] }).train(toyStream(2, 30));
    const outputs = plugin.memory.batch().outputs.toArray() as number[][];
    plugin.memory.contents.forEach(({ step, experience, index }, i) => {
      expect(outputs[i]).toEqual(had.get(`${step} ${experience} ${index}`));
    });
    expect(outputs).toHaveLength(12);
  });

  test.each([
    [{ total: 0 }, /total is 0/],
    [{ batchSize: 1.5 }, /batchSize is 1.5/],
    [{ alpha: -1 }, /alpha is -1/],
    [{ beta: Number.POSITIVE_INFINITY }, /beta is Infinity/],
  ])('%o is refused', (options, message) => {
    expect(() => der(options)).toThrow(message);
  });
});
