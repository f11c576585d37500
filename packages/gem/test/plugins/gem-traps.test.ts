// What goes wrong in other implementations of GEM, one test each: running statistics, heads and masks, odd rows, odd scales.

import { losses, nn, optim, type Variable } from '@gemlab/autograd';
import { Rng, type Tensor, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GradientScaleError, NonFiniteGradientError } from '../../src/errors.ts';
import { type GEMOptions, GEMPlugin } from '../../src/plugins/gem.ts';
import { type BatchNormMode, profiles } from '../../src/profiles.ts';
import { projectGradient } from '../../src/project.ts';
import type { StepRecord } from '../../src/step-record.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import type { Strategy } from '../../src/strategy/strategy.ts';
import { streamOf } from '../../src/streams/index.ts';
import { toyStrategy, toyStream } from '../toy.ts';
import { train } from './prescribed.ts';
import { dot, exactStream, expectClose, gradientOf, gradients, norm } from './support.ts';

const numbers = (x: Tensor) => x.toArray() as number[];

describe('batch normalisation', () => {
  /** The running mean before and after the memory passes of each step, and the g_k of the steps. */
  async function watched(options: Partial<GEMOptions>) {
    const bn = new nn.BatchNorm1d(4, { dtype: 'float64' });
    const rng = new Rng(0);
    const model = new nn.Sequential(
      new nn.Linear(2, 4, { rng, dtype: 'float64' }),
      bn,
      new nn.Linear(4, 2, { rng, dtype: 'float64' }),
    );
    const plugin = new GEMPlugin({ patternsPerExperience: 6, memoryStrength: 0, ...options });
    const moved: boolean[] = [];
    const modes: boolean[] = [];
    let before: unknown;
    const state = () => [bn.runningMean, bn.runningVar, bn.numBatchesTracked].map((b) => numbers(b!.value));
    const first: StrategyPlugin = {
      name: 'first',
      beforeTrainingIteration: () => {
        before = state();
      },
    };
    const expected: number[][] = [];
    const last: StrategyPlugin = {
      name: 'last',
      beforeTrainingIteration: (s) => {
        if (s.clock.experience === 0) return;
        moved.push(JSON.stringify(before) !== JSON.stringify(state()));
        modes.push(bn.training);
        // The dots that are to be recorded, from a model in the mode that is to be.
        const kept = [bn.runningMean, bn.runningVar, bn.numBatchesTracked].map((b) => b!.value);
        if (plugin.profile.batchNorm === 'frozen') bn.training = false;
        const samples = plugin.memory.batch(0);
        expected.push(gradientOf(s.criterion(s.forward(samples), samples.targets), s));
        bn.training = true;
        [bn.runningMean, bn.runningVar, bn.numBatchesTracked].forEach((b, i) => {
          b!.assign(kept[i]!);
        });
      },
      afterBackward: (s) => {
        const record = plugin.lastRecord;
        if (record === null || record.projection !== null) return;
        expect(record.dots[0]).toBeCloseTo(dot(gradients(s), expected.at(-1)!), 12);
      },
    };
    const strategy = toyStrategy({
      model,
      optimizer: new optim.SGD(model.parameters(), { lr: 0.05 }),
      plugins: [first, plugin, last],
    });
    await strategy.train(exactStream(2, 30));
    return { moved, modes };
  }

  test.each([
    ['update', true],
    ['restored', false],
    ['frozen', false],
  ] as const)('%s: running statistics move in memory passes: %s', async (batchNorm, expected) => {
    const { moved, modes } = await watched({ batchNorm });
    expect(moved).toEqual(new Array(6).fill(expected));
    expect(modes).toEqual(new Array(6).fill(true));
  });

  test('each profile has its own default', async () => {
    const defaults = Object.values(profiles).map(({ name, batchNorm }) => [name, batchNorm]);
    expect(defaults).toEqual([
      ['exact', 'restored'],
      ['reference', 'update'],
      ['avalanche', 'update'],
    ]);
    expect((await watched({ profile: 'avalanche', rng: null })).moved).toContain(true);
    expect((await watched({})).moved).not.toContain(true);
    expect(() => new GEMPlugin({ patternsPerExperience: 1, batchNorm: 'off' as BatchNormMode })).toThrow(
      /batchNorm is off; expected one of update, restored, frozen/,
    );
  });

  test('a pass that fails leaves the layers as they were', async () => {
    const bn = new nn.BatchNorm1d(2);
    const model = new nn.Sequential(new nn.Linear(2, 2, { rng: new Rng(0) }), bn);
    const plugin = new GEMPlugin({ patternsPerExperience: 6, batchNorm: 'frozen' });
    let failing = false;
    const loss = (outputs: Variable, targets: Tensor) => {
      if (failing) throw new Error('no');
      return losses.crossEntropy(outputs, targets);
    };
    const strategy = toyStrategy({ model, optimizer: new optim.SGD(model.parameters()), plugins: [plugin], loss });
    const stream = toyStream(2, 10);
    await strategy.train(stream[0]!);
    failing = true;
    await expect(strategy.train(stream[1]!)).rejects.toThrow('no');
    expect(bn.training).toBe(true);
  });
});

describe('tasks with outputs of their own', () => {
  // Each task has two of six classes.
  const stream = streamOf(
    exactStream(3, 40).map(({ index, train, test: held }) => ({
      train: train.withTargets(train.targets.add(2 * index)),
      test: held.withTargets(held.targets.add(2 * index)),
      taskLabel: index,
    })),
  );
  const rng = () => new Rng(1);
  const dtype = 'float64' as const;
  const classes = [0, 1, 2].map((k) => [2 * k, 2 * k + 1]);
  const models: Record<string, () => nn.Module> = {
    'one head for each task': () =>
      new nn.Sequential(
        new nn.Linear(2, 5, { rng: rng(), dtype }),
        new nn.ReLU(),
        new nn.MultiHead([0, 1, 2].map((k) => new nn.Linear(5, 6, { rng: rng().foldIn(k), dtype }))),
      ),
    'outputs masked for each task': () =>
      new nn.Sequential(new nn.MLP([2, 5, 6], { rng: rng(), dtype }), new nn.TaskMask(6, classes)),
  };

  /** In each step: the plain gradient, those of the memories each with its own task, and what reaches the optimizer. */
  async function steps(model: nn.Module, options: Partial<GEMOptions>) {
    const plugin = new GEMPlugin({ patternsPerExperience: 8, memoryStrength: 0, ...options });
    const seen: { g: number[]; G: number[][]; z: number[]; record: StepRecord | null }[] = [];
    let [g, G]: [number[], number[][]] = [[], []];
    const first: StrategyPlugin = {
      name: 'first',
      beforeTrainingIteration: (s) => {
        G = plugin.memory.tasks
          .filter((task) => task < s.clock.experience)
          .map((task) => {
            const { inputs, targets } = plugin.memory.batch(task);
            return gradientOf(
              s.criterion(
                s.forward({ inputs, targets, tasks: tensor(new Int32Array(targets.size).fill(task)) }),
                targets,
              ),
              s,
            );
          });
      },
      afterBackward: (s) => {
        g = gradients(s);
      },
    };
    const last: StrategyPlugin = {
      name: 'last',
      beforeUpdate: (s) => void seen.push({ g, G, z: gradients(s), record: plugin.lastRecord }),
    };
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
    await toyStrategy({ model, optimizer, plugins: [first, plugin, last] }).train(stream);
    return seen;
  }

  test.each(Object.keys(models))('%s: memories are seen with their own task, and all of z arrives', async (name) => {
    let projected = 0;
    for (const { g, G, z, record } of await steps(models[name]!(), {})) {
      const expected = projectGradient(g, G);
      if (record !== null) expectClose(record.dots, expected.dots, 1e-10);
      expectClose(z, expected.z, 1e-9);
      if (expected.projected) projected++;
    }
    expect(projected).toBeGreaterThan(2);
  });

  test('a missing gradient is written or skipped as asked, whatever the profile', async () => {
    const drops = async (options: Partial<GEMOptions>) => {
      const seen = await steps(models['one head for each task']!(), options);
      return seen.some(({ g, G, z }) => norm(projectGradient(g, G).z.map((x, i) => x - z[i]!)) > 1e-6);
    };
    expect(await drops({ missingGradient: 'write' })).toBe(false);
    expect(await drops({ missingGradient: 'skip' })).toBe(true);
    expect(await drops({ profile: 'avalanche', ridge: 0, rng: null, missingGradient: 'write' })).toBe(false);
    expect(await drops({ profile: 'avalanche', ridge: 0, rng: null })).toBe(true);
    expect(() => new GEMPlugin({ patternsPerExperience: 1, missingGradient: 'drop' as 'skip' })).toThrow(
      /missingGradient/,
    );
  });
});

/** What reached the optimizer in the last step. */
async function projected(G: readonly number[][], g: readonly number[], dtype: 'float32' | 'float64', scale = 1) {
  let z: number[] = [];
  const watch: StrategyPlugin = {
    name: 'watch',
    beforeUpdate: (s: Strategy) => {
      z = gradients(s);
    },
  };
  const optimizer = (parameters: readonly Variable[]) => new optim.SGD(parameters, { lr: 1 / scale });
  const { plugin } = await train({
    G,
    g,
    dtype,
    optimizer,
    watch,
    loss: (outputs) => outputs.mean().mul(scale),
  });
  return { z, record: plugin.lastRecord! };
}

describe('rows as they come', () => {
  const row = fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 5, maxLength: 5 });

  test('duplicated, opposed, parallel and zero rows project without a ridge', async () => {
    const rows = fc.array(row, { minLength: 1, maxLength: 3 });
    const kinds = fc.array(fc.tuple(fc.nat(2), fc.constantFrom(1, -1, 2, 0)), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(rows, kinds, row, async (some, more, g) => {
        const G = [...some, ...more.map(([k, times]) => some[k % some.length]!.map((x) => times * x + 0))];
        const { z } = await projected(G, g, 'float64');
        expect(z.every(Number.isFinite)).toBe(true);
        for (const gk of G) expect(dot(z, gk)).toBeGreaterThanOrEqual(-1e-7 * norm(g) * norm(gk));
        const exact = projectGradient(g, G).z;
        expect(norm(z.map((x, i) => x - exact[i]!))).toBeLessThanOrEqual(1e-7 * Math.max(1, norm(g)));
      }),
      { numRuns: 60 },
    );
  });

  test('float32 gradients of 1e-30 and 1e30 project as those of 1', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 3 }), row, async (G, g) => {
        const plain = await projected(G, g, 'float32');
        for (const scale of [2 ** -100, 2 ** 100]) {
          const scaled = await projected(G, g, 'float32', scale);
          // Powers of two change no bit but those of the exponent.
          expect(scaled.z).toEqual(plain.z.map((x) => x * scale));
          expect(scaled.record.violated).toEqual(plain.record.violated);
          expect(scaled.record.projection?.v).toEqual(plain.record.projection?.v);
          expect(JSON.parse(JSON.stringify(scaled.record))).toEqual(scaled.record);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('gradients in float64 whose inner products are no float64', () => {
  const [G, g] = [
    [
      [1, 0, 2, 0, 1],
      [0, 0, 0, 0, 0],
    ],
    [-1, 2, 0, 1, 0],
  ];

  test.each([-480, -400, 0, 400])(
    'at 2^%i they project as those of 1, beside a memory without a gradient',
    async (e) => {
      const plain = await projected(G, g, 'float64');
      const scaled = await projected(G, g, 'float64', 2 ** e);
      expect(plain.record.violated).toEqual([0]);
      expect(scaled.z).toEqual(plain.z.map((x) => x * 2 ** e));
    },
  );

  test('a gradient that has vanished is none that is too small', async () => {
    const tiny = [g.map((x) => x * 2 ** -900), [0, 1, 0, -2, 0].map((x) => x * 2 ** -900)];
    const { record } = await projected(
      tiny,
      [2, 0, 0, 0, 0].map((x) => -x),
      'float64',
    );
    expect(record.dots[1]).toBe(0);
    expect(record.violated).toEqual([]);
  });

  test.each([-560, 530])('at 2^%i they are refused, not let through', async (e) => {
    await expect(projected(G, g, 'float64', 2 ** e)).rejects.toThrow(GradientScaleError);
    await expect(projected(G, g, 'float64', 2 ** e)).rejects.toThrow(/largest entries of g and G are .*scale the loss/);
  });
});

describe('gradients that are no numbers', () => {
  test.each(['the current batch', 'the memory of task 0'])('the error names the parameter, and %s', async (where) => {
    const model = new nn.MLP([2, 3, 2], { rng: new Rng(0) });
    const plugin = new GEMPlugin({ patternsPerExperience: 4 });
    let armed = false;
    const poison: StrategyPlugin = {
      name: 'poison',
      beforeTrainingIteration: (s) => {
        armed = s.clock.experience === 1 && where !== 'the current batch';
      },
      beforeForward: (s) => {
        armed = s.clock.experience === 1 && where === 'the current batch';
      },
    };
    const bias = model.parameters().at(-1)!;
    const loss = (outputs: Variable, targets: Tensor) => {
      const plain = losses.crossEntropy(outputs, targets);
      return armed ? plain.add(bias.sum().mul(Number.NaN)) : plain;
    };
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
    const strategy = toyStrategy({ model, optimizer, plugins: [poison, plugin], loss });
    const stream = toyStream(2, 10);
    await strategy.train(stream[0]!);
    const error: unknown = await strategy.train(stream[1]!).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(NonFiniteGradientError);
    const { message, parameter, task, value } = error as NonFiniteGradientError;
    const name = [...model.namedParameters()].at(-1)![0];
    expect(message).toContain(`is NaN: the gradient of ${name} on ${where}`);
    expect({ parameter, task, value }).toEqual({
      parameter: name,
      task: where === 'the current batch' ? undefined : 0,
      value: Number.NaN,
    });
  });

  test('fewer samples than slots: only those that were written are ever seen', async () => {
    const sizes: number[] = [];
    const plugin = new GEMPlugin({ patternsPerExperience: 50 });
    const loss = (outputs: Variable, targets: Tensor) => {
      sizes.push(targets.size);
      return losses.crossEntropy(outputs, targets);
    };
    await toyStrategy({ plugins: [plugin], loss, trainBatchSize: 8 }).train(toyStream(2, 12));
    // Task 0: batches of 8 and 4. Task 1: the memory of 12 before each.
    expect(sizes).toEqual([8, 4, 12, 8, 12, 4]);
    for (const profile of ['reference', 'avalanche'] as const) {
      const other = new GEMPlugin({ patternsPerExperience: 50, profile });
      await toyStrategy({ plugins: [other] }).train(toyStream(2, 12));
      expect([other.memory.size(0), other.memory.size(1)]).toEqual([12, 12]);
    }
  });
});
