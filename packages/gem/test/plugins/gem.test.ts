// The GEM plugin in a real training loop, against what the method promises and what each profile publishes.

import { losses, nn, optim, type Variable, variable } from '@gemlab/autograd';
import { Rng, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { type GEMOptions, GEMPlugin } from '../../src/plugins/gem.ts';
import type { StepRecord } from '../../src/step-record.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { runStream } from '../../src/strategy/run-stream.ts';
import type { Strategy } from '../../src/strategy/strategy.ts';
import { toyStrategy, toyStream, weights } from '../toy.ts';

const gem = (options: Partial<GEMOptions> = {}) =>
  new GEMPlugin({ patternsPerExperience: 10, memoryStrength: 0, rng: new Rng(9), ...options });

/** Collects the plugin's records. */
function collector(plugin: GEMPlugin, records: (StepRecord | null)[]): StrategyPlugin {
  return { name: 'collector', afterTrainingIteration: () => void records.push(plugin.lastRecord) };
}

/** Gradient of the loss on task k's memory, computed apart from the plugin, as plain numbers. */
function memoryGradient({ model, criterion }: Strategy, plugin: GEMPlugin, task: number): number[] {
  const saved = model.parameters().map((p) => p.grad);
  model.zeroGrad();
  const { inputs, targets } = plugin.memory.batch(task);
  criterion(model.forward(variable(inputs)), targets).backward();
  const g = gradients(model.parameters());
  model.parameters().forEach((p, i) => {
    p.grad = saved[i]!;
  });
  return g;
}
const gradients = (parameters: readonly Variable[]) =>
  parameters.flatMap(
    (p) => (p.grad?.value.reshape([-1]).toArray() as number[] | undefined) ?? new Array<number>(p.size).fill(0),
  );
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const norm = (a: readonly number[]) => Math.sqrt(dot(a, a));

describe('the promise', () => {
  test('in every step the gradient that reaches the optimizer has <z, g_k> >= 0 for every past task, and is g if g has', async () => {
    const plugin = gem();
    let projected = 0;
    let plain = 0;
    const audit: StrategyPlugin = {
      name: 'audit',
      beforeUpdate: (s) => {
        const record = plugin.lastRecord;
        if (record === null) return;
        const z = gradients(s.optimizer.parameters);
        record.tasks.forEach((task, k) => {
          const gk = memoryGradient(s, plugin, task);
          // Gradients are float64 here, so only the rounding of the projection itself is left.
          expect(dot(z, gk)).toBeGreaterThanOrEqual(-1e-13 * norm(z) * norm(gk));
          if (record.projection) expect(record.projection.dotsAfter[k]).toBeCloseTo(dot(z, gk), 10);
        });
        if (record.violated.length === 0) plain++;
        else projected++;
        if (record.projection) expect(record.projection.projectedNorm).toBeCloseTo(norm(z), 10);
      },
    };
    const stream = toyStream(4, 60);
    const doubles = stream.map((e) => ({ ...e, train: e.train.map((x) => x.cast('float64')) }));
    const strategy = toyStrategy({ plugins: [plugin, audit], dtype: 'float64' });
    await strategy.train(doubles);
    expect(projected).toBeGreaterThan(3);
    expect(plain).toBeGreaterThan(3);
  });

  test('it forgets less than fine-tuning', async () => {
    const stream = toyStream(3, 300);
    const [withGem, without] = await Promise.all(
      [[gem({ memoryStrength: 0.5, patternsPerExperience: 50 })], []].map((plugins) =>
        runStream(toyStrategy({ plugins, seed: 4 }), stream),
      ),
    );
    expect(withGem!.acc()).toBeGreaterThan(without!.acc());
    expect(withGem!.bwt()).toBeGreaterThan(without!.bwt());
  });

  test('on the first task it changes nothing and leaves no record', async () => {
    const stream = toyStream(1, 50);
    const records: (StepRecord | null)[] = [];
    const plugin = gem();
    const [a, b] = [toyStrategy({ plugins: [plugin, collector(plugin, records)] }), toyStrategy()];
    await a.train(stream);
    await b.train(stream);
    expect(weights(a)).toEqual(weights(b));
    expect(records).toEqual(new Array(10).fill(null));
  });
});

describe('the record', () => {
  test('is plain JSON and consistent with itself', async () => {
    const records: (StepRecord | null)[] = [];
    const plugin = gem({ memoryStrength: 0.3 });
    await toyStrategy({ plugins: [plugin, collector(plugin, records)] }).train(toyStream(3, 40));
    const kept = records.filter((r) => r !== null);
    expect(kept).toHaveLength(16);
    expect(JSON.parse(JSON.stringify(kept))).toEqual(kept);
    for (const r of kept) {
      expect(r.tasks).toEqual(r.experience === 1 ? [0] : [0, 1]);
      expect(r.violated).toEqual(r.dots.flatMap((d, k) => (d < 0 ? [k] : [])));
      expect(r.projection === null).toBe(r.violated.length === 0);
      r.projection?.anglesBefore.forEach((angle, k) => {
        expect(angle! > 90).toBe(r.violated.includes(k));
      });
      if (r.projection) expect(Math.min(...r.projection.v)).toBeGreaterThanOrEqual(0.3);
    }
    expect(kept.some((r) => r.projection !== null)).toBe(true);
    expect(kept.map((r) => r.step)).toEqual(Array.from({ length: 16 }, (_, i) => 8 + i));
  });
});

describe('profiles', () => {
  test('avalanche remembers the first n of one shuffled pass, after the experience', async () => {
    const plugin = gem({ profile: 'avalanche', patternsPerExperience: 7 });
    const sizes: number[] = [];
    const watch: StrategyPlugin = {
      name: 'watch',
      afterTrainingIteration: () => void sizes.push(plugin.memory.size(0)),
    };
    const stream = toyStream(1, 20);
    await toyStrategy({ plugins: [plugin, watch] }).train(stream);
    expect(sizes).toEqual([0, 0, 0, 0]);
    const order = new Rng(9).permutation(20).slice(0, 7);
    expect(plugin.memory.batch(0).inputs.toArray()).toEqual(stream[0]!.train.batch(tensor(order)).inputs.toArray());
  });

  test('avalanche draws from the strategy without a generator of its own, and from nothing with null', async () => {
    const stream = toyStream(1, 20);
    const remembered = async (options: Partial<GEMOptions>) => {
      const plugin = new GEMPlugin({ profile: 'avalanche', patternsPerExperience: 7, ...options });
      await toyStrategy({ plugins: [plugin] }).train(stream);
      return plugin.memory.batch(0).inputs.toArray();
    };
    const inOrder = stream[0]!.train.range(0, 7).inputs.toArray();
    expect(await remembered({})).toEqual(await remembered({}));
    expect(await remembered({})).not.toEqual(inOrder);
    expect(await remembered({ rng: null })).toEqual(inOrder);
  });

  test('exact remembers the newest n that were trained on', async () => {
    const plugin = gem({ patternsPerExperience: 7 });
    const seen: unknown[] = [];
    const watch: StrategyPlugin = {
      name: 'watch',
      afterTrainingIteration: (s) => void seen.push(...(s.batch!.inputs.toArray() as number[][])),
    };
    await toyStrategy({ plugins: [plugin, watch] }).train(toyStream(1, 20));
    const sorted = (rows: unknown[]) => rows.map((r) => JSON.stringify(r)).sort();
    expect(sorted(plugin.memory.batch(0).inputs.toArray() as unknown[])).toEqual(sorted(seen.slice(-7)));
  });

  test.each(['reference', 'avalanche'] as const)(
    '%s bounds every multiplier below by gamma and uses a ridge',
    async (profile) => {
      const records: (StepRecord | null)[] = [];
      const plugin = gem({ profile, memoryStrength: 0.25 });
      await toyStrategy({ plugins: [plugin, collector(plugin, records)] }).train(toyStream(3, 40));
      const projections = records.flatMap((r) => r?.projection ?? []);
      expect(projections.length).toBeGreaterThan(0);
      for (const { v } of projections) expect(Math.min(...v)).toBeGreaterThanOrEqual(0.25);
      expect(plugin.ridge).toBe(1e-3);
    },
  );

  test('a parameter without a gradient is moved by exact and left alone by the published codes', async () => {
    // A head for each task on a shared layer: the batch of task 1 gives head 0 no gradient, the memory of task 0 does.
    class TwoHeads extends nn.Module {
      readonly shared = new nn.Linear(2, 8, { rng: new Rng(0) });
      readonly heads = [1, 2].map((seed) => new nn.Linear(8, 2, { rng: new Rng(seed) }));
      which = 0;
      override forward(x: Variable): Variable {
        return this.heads[this.which]!.forward(this.shared.forward(x).relu());
      }
    }
    const moved: Record<string, boolean> = {};
    for (const profile of ['exact', 'reference', 'avalanche'] as const) {
      const model = new TwoHeads();
      const plugin = gem({ profile, memoryStrength: 0 });
      const records: (StepRecord | null)[] = [];
      const heads: StrategyPlugin = {
        name: 'heads',
        beforeForward: (s) => {
          model.which = s.clock.experience;
        },
        afterTrainingIteration: () => {
          model.which = 0;
        },
      };
      const strategy = toyStrategy({
        model,
        optimizer: new optim.SGD(model.parameters(), { lr: 0.1 }),
        plugins: [plugin, heads, collector(plugin, records)],
      });
      const stream = toyStream(2, 100);
      await strategy.train(stream[0]!);
      const before = model.heads[0]!.weight.value.toArray();
      await strategy.train(stream[1]!);
      expect(records.some((r) => r?.projection)).toBe(true);
      moved[profile] = JSON.stringify(model.heads[0]!.weight.value.toArray()) !== JSON.stringify(before);
    }
    expect(moved).toEqual({ exact: true, reference: false, avalanche: false });
  });
});

describe('traps', () => {
  test('parameters outside the optimizer do not enter G, nor are they touched', async () => {
    const rng = new Rng(0);
    const model = new nn.MLP([2, 8, 2], { rng });
    const [w1, b1] = model.parameters();
    const plugin = gem();
    const lengths: number[] = [];
    const watch: StrategyPlugin = {
      name: 'watch',
      afterUpdate: () => void lengths.push(plugin.solveQuadprog(tensor(new Array<number>(24).fill(1))).size),
    };
    const strategy = toyStrategy({
      model,
      optimizer: new optim.SGD([w1!, b1!], { lr: 0.1 }),
      plugins: [plugin],
    });
    const last = model.parameters().at(-1)!.value.toArray();
    const stream = toyStream(2, 20);
    await strategy.train(stream[0]!);
    const second = toyStrategy({
      model,
      optimizer: strategy.optimizer,
      plugins: [plugin, watch],
    });
    second.clock.experience = 1;
    await second.train(stream[1]!);
    expect(lengths).toEqual([24, 24, 24, 24]);
    expect(model.parameters().at(-1)!.value.toArray()).toEqual(last);
  });

  test('the memory passes leave no gradient behind', async () => {
    const seen: boolean[] = [];
    const plugin = gem();
    const watch: StrategyPlugin = {
      name: 'watch',
      beforeTrainingIteration: (s) => void seen.push(s.optimizer.parameters.every((p) => p.grad === null)),
    };
    await toyStrategy({ plugins: [plugin, watch] }).train(toyStream(2, 10));
    expect(seen).toEqual([true, true, true, true]);
  });

  test('a non-finite gradient is an error that names it, and the parameters stay as they were', async () => {
    const plugin = gem();
    let armed = false;
    const loss = (outputs: Variable, targets: Parameters<typeof losses.crossEntropy>[1]) =>
      armed ? losses.crossEntropy(outputs, targets).mul(Number.NaN) : losses.crossEntropy(outputs, targets);
    const arm: StrategyPlugin = {
      name: 'arm',
      beforeForward: (s) => {
        armed = s.clock.experience === 1;
      },
    };
    const strategy = toyStrategy({ plugins: [plugin, arm], loss });
    const stream = toyStream(2, 10);
    await strategy.train(stream[0]!);
    const before = weights(strategy);
    await expect(strategy.train(stream[1]!)).rejects.toThrow(/NaN/);
    expect(weights(strategy)).toEqual(before);
  });

  test.each([
    [{ memoryStrength: -1 }, /memoryStrength is -1/],
    [{ ridge: Number.NaN }, /ridge is NaN/],
    [{ profile: 'paper' as 'exact' }, /profile is paper; expected one of exact/],
    [{ patternsPerExperience: 0 }, /patternsPerExperience is 0/],
  ])('%o is refused', (options, message) => {
    expect(() => gem(options)).toThrow(message);
  });

  test('solveQuadprog wants a step with past tasks', () => {
    expect(() => gem().solveQuadprog(tensor([1]))).toThrow(/past tasks/);
  });

  test('memories of a model with a head for each task go by their own heads, also those filled by hand', async () => {
    const model = new nn.Sequential(
      new nn.Linear(2, 8, { rng: new Rng(0) }),
      new nn.MultiHead([0, 1, 2].map((seed) => new nn.Linear(8, 2, { rng: new Rng(seed) }))),
    );
    const plugin = gem({ profile: 'avalanche', rng: null });
    const stream = toyStream(3, 20).map((e) => ({ ...e, taskLabel: e.index }));
    const heads: (readonly number[])[] = [];
    const watch: StrategyPlugin = {
      name: 'watch',
      beforeTrainingIteration: () =>
        heads.push(plugin.memory.tasks.map((t) => plugin.memory.batch(t).tasks.max().item() as number)),
    };
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
    const strategy = toyStrategy({ model, optimizer, plugins: [plugin, watch] });
    await strategy.train(stream[0]!);
    plugin.updateMemory(stream[1]!.train, 1, 5);
    strategy.clock.experience = 2;
    await strategy.train(stream[2]!);
    expect(heads.at(-1)).toEqual([0, 1]);
    expect(plugin.memory.batch(1).inputs.toArray()).toEqual(stream[1]!.train.range(0, 10).inputs.toArray());
  });
});
