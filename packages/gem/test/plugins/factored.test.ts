// The factored memory pass against the plain one, in the same step from the same state: they may differ by rounding only.

import { losses, nn, optim, type Variable } from '@gemlab/autograd';
import { Rng, randn, type Tensor, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidOptionError } from '../../src/errors.ts';
import { factoredMemoryPass } from '../../src/plugins/factored-pass.ts';
import { GEMPlugin } from '../../src/plugins/gem.ts';
import { type MemoryPass, plainMemoryPass } from '../../src/plugins/memory-pass.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { type Loss, Strategy } from '../../src/strategy/strategy.ts';
import { streamOf } from '../../src/streams/index.ts';
import { toyStrategy, toyStream, weights } from '../toy.ts';
import { dot, exactStream, expectClose, norm } from './support.ts';

const numbers = (t: Tensor) => t.cast('float64').reshape([-1]).toArray() as number[];

/** Has both forms in each step, hands their products to `look`, and takes the plain step. */
function both(
  memory: GEMPlugin['memory'],
  look: (plain: ReturnType<MemoryPass['products']>, factored: ReturnType<MemoryPass['products']>) => void,
  sizeOf: (task: number) => number = () => Number.POSITIVE_INFINITY,
): StrategyPlugin {
  const factoredPass = factoredMemoryPass();
  let passes: MemoryPass[] = [];
  return {
    name: 'both',
    beforeTrainingIteration(strategy) {
      const past = memory.tasks.filter((task) => task < strategy.clock.experience);
      const memories = past.map((task) => {
        const { inputs, targets } = memory.batch(task);
        const n = Math.min(sizeOf(task), targets.size);
        return { task, samples: { inputs: inputs.slice([0, n]), targets: targets.slice([0, n]) } };
      });
      if (memories.length === 0) passes = [];
      else {
        const factored = factoredPass(strategy, memories);
        if (typeof factored === 'string') throw new Error(factored);
        passes = [plainMemoryPass(strategy, memories), factored];
        expectClose(passes[1]!.losses, passes[0]!.losses, 1e-6);
      }
    },
    beforeBackward: (strategy) => passes[1]?.beforeBackward?.(strategy),
    afterBackward({ optimizer, model }) {
      if (passes.length === 0) return;
      const parts = optimizer.parameters.flatMap((p) => (p.grad ? numbers(p.grad.value) : Array(p.size).fill(0)));
      const g = tensor(parts, { dtype: model.parameters()[0]!.dtype as 'float32' });
      look(passes[0]!.products(g), passes[1]!.products(g));
    },
  };
}

function expectAlike(
  plain: ReturnType<MemoryPass['products']>,
  factored: ReturnType<MemoryPass['products']>,
  tolerance: number,
): void {
  const [G, H] = [plain.G, factored.G].map((rows) => rows.cast('float64').toArray() as number[][]);
  const size = Math.max(...G!.map(norm), Number.MIN_VALUE);
  const g = Math.sqrt(plain.squaredNorm);
  expect(factored.squaredNorm).toBeCloseTo(plain.squaredNorm, 5);
  H!.forEach((row, k) => {
    expect(norm(row.map((x, i) => x - G![k]![i]!))).toBeLessThanOrEqual(tolerance * size);
    expect(Math.abs(factored.dots[k]! - plain.dots[k]!)).toBeLessThanOrEqual(tolerance * g * size);
    // Decisions: where the plain dot is not within rounding of 0.
    if (Math.abs(plain.dots[k]!) > tolerance * g * size) {
      expect(factored.dots[k]! < 0).toBe(plain.dots[k]! < 0);
    }
  });
  expect(factored.gram.flat().every((x, i) => Math.abs(x - plain.gram.flat()[i]!) <= tolerance * size * size)).toBe(
    true,
  );
  const v = tensor(
    G!.map((_, k) => 0.5 + k),
    { dtype: 'float64' },
  );
  const [z, w] = [plain.combine(v), factored.combine(v)].map(numbers);
  expect(norm(w!.map((x, i) => x - z![i]!))).toBeLessThanOrEqual(tolerance * (g + size * 10 * G!.length));
}

const lossesToTry: Record<string, Loss> = {
  'cross-entropy': losses.crossEntropy,
  smoothed: (y, t) => losses.crossEntropy(y, t, { labelSmoothing: 0.1 }),
  sum: (y, t) => losses.crossEntropy(y, t, { reduction: 'sum' }),
  // Sees all samples of a group at once.
  'of the mean output': (y, t) =>
    y
      .mean(0)
      .sub(t.cast(y.dtype as 'float32').mean())
      .square()
      .sum(),
};

describe('the factored form has what the plain one has', () => {
  test.each(['float32', 'float64'] as const)('for any layers, memories, batches and losses, in %s', async (dtype) => {
    let checked = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.nat({ max: 1000 }),
          hidden: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 2 }),
          loss: fc.constantFrom(...Object.keys(lossesToTry)),
          bias: fc.boolean(),
          sizes: fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 3, maxLength: 3 }),
          act: fc.constantFrom('relu', 'tanh' as const),
        }),
        async ({ seed, hidden, loss, bias, sizes, act }) => {
          const rng = new Rng(seed);
          const widths = [2, ...hidden, 3];
          const layers = widths.slice(1).flatMap((out, i): nn.Module[] => {
            const linear = new nn.Linear(widths[i]!, out, { rng, bias, dtype });
            return i === 0 ? [linear] : [act === 'relu' ? new nn.ReLU() : new nn.Tanh(), linear];
          });
          const model = new nn.Sequential(...layers);
          const gem = new GEMPlugin({ patternsPerExperience: 8, memoryPass: 'plain' });
          const audit = both(
            gem.memory,
            (plain, factored) => {
              checked++;
              expectAlike(plain, factored, dtype === 'float64' ? 1e-13 : 1e-5);
            },
            (task) => sizes[task]!,
          );
          const strategy = new Strategy({
            model,
            optimizer: new optim.SGD(model.parameters(), { lr: 0.1 }),
            loss: lossesToTry[loss]!,
            trainBatchSize: 5,
            rng,
            plugins: [audit, gem],
          });
          const stream = dtype === 'float64' ? exactStream(3, 10, seed) : toyStream(3, 10, seed);
          // One sample in all is left to the plain form.
          if (sizes[0]! > 1) await strategy.train(stream);
        },
      ),
      { numRuns: 25 },
    );
    expect(checked).toBeGreaterThan(50);
  });

  test('from the same start, a short run takes the same steps', async () => {
    const run = async (memoryPass: 'plain' | 'factored') => {
      const gem = new GEMPlugin({ patternsPerExperience: 12, memoryStrength: 0.5, memoryPass });
      const violated: number[][] = [];
      const watch: StrategyPlugin = {
        name: 'watch',
        afterBackward: () => void (gem.lastRecord && violated.push([...gem.lastRecord.violated])),
      };
      const strategy = toyStrategy({ dtype: 'float64', plugins: [gem, watch], seed: 3 });
      await strategy.train(exactStream(4, 40));
      return { weights: weights(strategy), violated };
    };
    const [plain, factored] = await Promise.all([run('plain'), run('factored')]);
    expect(factored.violated).toEqual(plain.violated);
    expect(plain.violated.some((list) => list.length > 0)).toBe(true);
    expect(plain.violated.some((list) => list.length === 0)).toBe(true);
    expectClose(factored.weights, plain.weights, 1e-11);
  });

  test('where g is not what the batch makes it, and a parameter is not trained', async () => {
    const gem = new GEMPlugin({ patternsPerExperience: 8, memoryPass: 'plain' });
    const penalty: StrategyPlugin = {
      name: 'penalty',
      beforeBackward: (s) => {
        s.loss = s.loss!.add(s.model.parameters()[1]!.square().sum());
      },
    };
    let checked = 0;
    const audit = both(gem.memory, (plain, factored) => {
      checked++;
      expectAlike(plain, factored, 1e-13);
    });
    const base = toyStrategy({ dtype: 'float64' });
    const strategy = new Strategy({
      model: base.model,
      optimizer: new optim.SGD(base.model.parameters().slice(1), { lr: 0.1 }),
      loss: losses.crossEntropy,
      trainBatchSize: 5,
      rng: new Rng(0),
      plugins: [audit, penalty, gem],
    });
    await strategy.train(exactStream(3, 20));
    expect(checked).toBe(8);
  });
});

describe('what does not fit takes the plain form, and says why', () => {
  const rng = new Rng(0);
  const images = (dtype: 'float32' | 'int32' = 'float32') =>
    streamOf(
      [0, 1].map((task) => {
        const inputs = randn([10, 1, 4, 4], new Rng(task)).mul(3).cast(dtype);
        const part = { inputs, targets: tensor(Int32Array.from({ length: 10 }, (_, i) => i % 2)) };
        return { train: part, test: part };
      }),
    );
  const flat = new nn.Flatten();
  const linear = () => new nn.Linear(16, 2, { rng });
  const twice = (layer: nn.Module) => [layer, layer];
  class Centred extends nn.Module {
    override forward(x: Variable): Variable {
      return x.sub(x.mean(0));
    }
  }
  const models: [name: string, layers: () => nn.Module[], because: RegExp, loss?: Loss][] = [
    ['dropout', () => [flat, new nn.Dropout(0.5, { rng }), linear()], /^1 drops elements at random$/],
    ['batch statistics', () => [flat, new nn.BatchNorm1d(16), linear()], /^1 normalises by the batch it sees$/],
    ['centred inputs', () => [flat, new Centred(), linear()], /^samples may meet in /],
    [
      'a convolution',
      () => [new nn.Conv2d(1, 1, 3, { rng, padding: 1 }), flat, linear()],
      /^0.weight sees more than one row of each sample$/,
    ],
    [
      'a layer used twice',
      () => [flat, ...twice(new nn.Linear(16, 16, { rng })), linear()],
      /^1.weight is used 2 times$/,
    ],
    [
      'a layer norm',
      () => [flat, linear(), new nn.LayerNorm([2])],
      /^2.weight is used in another way than by a linear/,
    ],
  ];

  test.each(models)('%s', async (_, layers, because) => {
    const run = async (memoryPass: 'auto' | 'plain' | 'factored') => {
      rng.restore(new Rng(0).state);
      const model = new nn.Sequential(...layers());
      const gem = new GEMPlugin({ patternsPerExperience: 6, memoryPass });
      const forms: unknown[] = [];
      const watch: StrategyPlugin = { name: 'watch', afterBackward: () => void forms.push(gem.memoryPass) };
      const strategy = new Strategy({
        model,
        optimizer: new optim.SGD(model.parameters(), { lr: 0.05 }),
        loss: losses.crossEntropy,
        trainBatchSize: 5,
        rng: new Rng(1),
        plugins: [gem, watch],
      });
      await strategy.train(images());
      return { forms, weights: weights(strategy) };
    };
    const auto = await run('auto');
    const plainForm = { form: 'plain', because: expect.stringMatching(because) };
    expect(auto.forms).toMatchObject([null, null, plainForm, plainForm]);
    expect(auto.weights).toEqual((await run('plain')).weights);
    await expect(run('factored')).rejects.toThrow(InvalidOptionError);
  });

  test.each([
    ['a loss that reads parameters', 'the loss is computed from more than the outputs'],
    ['a hook on a parameter', 'a hook looks at gradients'],
  ])('%s', async (what, because) => {
    const model = new nn.Sequential(flat, linear());
    const decay: Loss = (y, t) => losses.crossEntropy(y, t).add(model.parameters()[0]!.square().sum());
    if (what.startsWith('a hook')) model.parameters()[0]!.registerHook((g) => g.mul(-1));
    const gem = new GEMPlugin({ patternsPerExperience: 6 });
    const forms: unknown[] = [];
    const strategy = new Strategy({
      model,
      optimizer: new optim.SGD(model.parameters(), { lr: 0.05 }),
      loss: what.startsWith('a loss') ? decay : losses.crossEntropy,
      trainBatchSize: 10,
      rng: new Rng(1),
      plugins: [gem, { name: 'watch', afterBackward: () => void forms.push(gem.memoryPass?.because) }],
    });
    await strategy.train(images());
    expect(forms).toEqual([undefined, because]);
  });

  test('an unknown form is refused', () => {
    expect(() => new GEMPlugin({ patternsPerExperience: 1, memoryPass: 'fast' as 'auto' })).toThrow(InvalidOptionError);
  });

  test('the dots of a step without a violation are those of the gradients', async () => {
    const gem = new GEMPlugin({ patternsPerExperience: 8 });
    const plain = new GEMPlugin({ patternsPerExperience: 8, memoryPass: 'plain' });
    let free = 0;
    const compare: StrategyPlugin = {
      name: 'compare',
      afterBackward: () => {
        if (gem.lastRecord === null || gem.lastRecord.projection !== null) return;
        free++;
        expect(dot([...gem.lastRecord.dots], [...plain.lastRecord!.dots])).toBeGreaterThan(0);
        expectClose(gem.lastRecord.dots, plain.lastRecord!.dots, 1e-12);
      },
    };
    await toyStrategy({ dtype: 'float64', plugins: [gem, plain, compare] }).train(exactStream(3, 60));
    expect(free).toBeGreaterThan(3);
  });
});

test('one batch of joined memories lives at a time, whatever the steps did with it', async () => {
  const [joined, alive]: [Set<Tensor['storage']>, number[]] = [new Set(), []];
  class Watched extends nn.MLP {
    override forward(x: Variable): Variable {
      // 20 of each past task; batches have 5.
      if (x.shape[0]! >= 20) joined.add(x.peek.storage);
      alive.push([...joined].filter(({ released }) => !released).length);
      return super.forward(x);
    }
  }
  const rng = new Rng(0);
  const model = new Watched([2, 8, 2], { rng });
  const gem = new GEMPlugin({ patternsPerExperience: 20, memoryPass: 'factored' });
  let projected = 0;
  const count: StrategyPlugin = {
    name: 'count',
    afterTrainingIteration() {
      if (gem.lastRecord?.projection) projected++;
    },
  };
  const strategy = new Strategy({
    model,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.1 }),
    loss: losses.crossEntropy,
    trainBatchSize: 5,
    rng,
    plugins: [gem, count],
  });
  await strategy.train(toyStream(5, 40));
  expect(projected).toBeGreaterThan(0);
  expect(joined.size).toBe(4);
  expect(Math.max(...alive)).toBe(1);
});
