// Momentum, Adam and weight decay act after the projection, so the step that is taken is no longer constrained. Projecting that step
// constrains it: <theta' - theta, g_k> <= 0 to rounding, whatever the optimizer.

import { optim, type Variable } from '@gemlab/autograd';
import { keep, type Tensor, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type GEMOptions, GEMPlugin } from '../../src/plugins/gem.ts';
import { projectGradient } from '../../src/project.ts';
import type { StepRecord } from '../../src/step-record.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { toyStrategy, weights } from '../toy.ts';
import { train } from './prescribed.ts';
import { dot, exactStream, expectClose, gradientOf, norm } from './support.ts';

const optimizers: Record<string, (parameters: readonly Variable[]) => optim.Optimizer> = {
  SGD: (p) => new optim.SGD(p, { lr: 0.1 }),
  momentum: (p) => new optim.SGD(p, { lr: 0.1, momentum: 0.9 }),
  'Nesterov, weight decay': (p) => new optim.SGD(p, { lr: 0.05, momentum: 0.8, nesterov: true, weightDecay: 0.1 }),
  Adam: (p) => new optim.Adam(p, { lr: 0.05 }),
  AdamW: (p) => new optim.AdamW(p, { lr: 0.05, weightDecay: 0.2 }),
};

/** For each step with past tasks: theta before and after, the memories' gradients, computed apart from the plugin, and the record. */
async function steps(optimizer: keyof typeof optimizers, options: Partial<GEMOptions>) {
  const plugin = new GEMPlugin({ patternsPerExperience: 8, memoryStrength: 0, record: 'all', ...options });
  const seen: { change: number[]; theta: number[]; G: number[][]; record: StepRecord }[] = [];
  let [theta, G]: [number[], number[][]] = [[], []];
  const first: StrategyPlugin = {
    name: 'first',
    beforeTrainingIteration: (s) => {
      theta = weights(s);
      G = plugin.memory.tasks
        .filter((task) => task < s.clock.experience)
        .map((task) => {
          const samples = plugin.memory.batch(task);
          return gradientOf(s.criterion(s.forward(samples), samples.targets), s);
        });
    },
  };
  const last: StrategyPlugin = {
    name: 'last',
    afterUpdate: (s) => {
      if (plugin.lastRecord === null) return;
      const change = weights(s).map((x, i) => x - theta[i]!);
      seen.push({ change, theta, G, record: plugin.lastRecord });
    },
  };
  const base = toyStrategy({ dtype: 'float64', seed: 3 });
  const strategy = toyStrategy({
    model: base.model,
    optimizer: optimizers[optimizer]!(base.model.parameters()),
    plugins: [first, plugin, last],
  });
  await strategy.train(exactStream(4, 40));
  return seen;
}

describe('the realised update', () => {
  test.each(Object.keys(optimizers))(
    '%s: projected, it lowers or keeps the loss on every memory to first order',
    async (name) => {
      const seen = await steps(name, { project: 'update' });
      expect(seen.some(({ record }) => record.projection !== null)).toBe(true);
      for (const { change, theta, G, record } of seen) {
        expect(record.project).toBe('update');
        for (const gk of G) {
          // The rounding of the projection, and of theta'.
          const rounding = 1e-13 * norm(change) * norm(gk) + 1e-15 * norm(theta) * norm(gk);
          expect(dot(change, gk)).toBeLessThanOrEqual(rounding);
        }
        G.forEach((gk, k) => {
          // A constraint that holds with equality has a product of 0, and rounding.
          const rounding = 1e-6 * Math.abs(dot(change, gk)) + 1e-14 * norm(change) * norm(gk);
          expect(Math.abs(record.details!.realised[k]! - dot(change, gk))).toBeLessThanOrEqual(rounding);
        });
        expect(record.details!.updateNorm).toBeCloseTo(norm(change), 10);
      }
    },
  );

  test.each(['momentum', 'Adam', 'AdamW'])(
    '%s: not so where the gradient is projected, and the record says so',
    async (name) => {
      const seen = await steps(name, { project: 'gradient' });
      let rises = 0;
      for (const { change, G, record } of seen) {
        expectClose(
          record.details!.realised,
          G.map((gk) => dot(change, gk)),
          1e-6,
        );
        if (G.some((gk) => dot(change, gk) > 1e-6 * norm(change) * norm(gk))) rises++;
      }
      expect(rises).toBeGreaterThan(0);
    },
  );

  test.each([0, 0.5])('with plain SGD both projections are one, memory strength %s', async (memoryStrength) => {
    const [a, b] = [
      await steps('SGD', { project: 'gradient', memoryStrength }),
      await steps('SGD', { project: 'update', memoryStrength }),
    ];
    expect(a.length).toBe(b.length);
    a.forEach(({ theta, change, record }, i) => {
      expectClose(b[i]!.theta, theta, 1e-10);
      expectClose(b[i]!.change, change, 1e-9);
      expect(b[i]!.record.violated).toEqual(record.violated);
    });
  });

  test('it is the nearest of all steps that the memories allow, for any gradients, in both precisions', async () => {
    const row = fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 6, maxLength: 6 });
    const name = fc.constantFrom(...Object.keys(optimizers));
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 3 }), row, name, async (G, g, optimizer) => {
        for (const dtype of ['float64', 'float32'] as const) {
          let [theta, free, wanted]: [number[], number[], number[]] = [[], [], []];
          const values = (w: Variable) => w.value.reshape([-1]).toArray() as number[];
          // The optimizer's own step, as it is before the plugin sees it.
          const spy = (parameters: readonly Variable[]) => {
            const inner = optimizers[optimizer]!(parameters);
            return Object.assign(Object.create(inner), {
              step: () => {
                theta = values(parameters[0]!);
                inner.step();
                wanted = values(parameters[0]!);
              },
            }) as optim.Optimizer;
          };
          const watch: StrategyPlugin = {
            name: 'watch',
            afterUpdate: () => {
              free = values(weight!);
            },
          };
          let weight: Variable | undefined;
          const opt = (parameters: readonly Variable[]) => {
            weight = parameters[0]!;
            return spy(parameters);
          };
          await train({ G, g, dtype, optimizer: opt, watch, gem: { project: 'update' } });
          const d = theta.map((x, i) => x - wanted[i]!);
          const expected = projectGradient(d, G).z;
          const eps = dtype === 'float64' ? 1e-7 : 2 ** -22;
          const found = free.map((x, i) => theta[i]! - x);
          const tolerance = eps * (norm(theta) + norm(d));
          expect(norm(found.map((x, i) => x - expected[i]!))).toBeLessThanOrEqual(tolerance);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('the optimizer remembers the gradients as they were', async () => {
    const momenta: Tensor[] = [];
    for (const project of ['update', 'gradient'] as const) {
      const optimizer = (p: readonly Variable[]) => new optim.SGD(p, { lr: 0.1, momentum: 0.9 });
      const { strategy } = await train({ G: [[1, 0]], g: [-1, 1], optimizer, gem: { project } });
      momenta.push(strategy.optimizer.stateDict().tensors['0.momentum']!);
    }
    // 0.9 (1, 0) + (-1, 1), and with z = (0, 1) for g: 0.9 (1, 0) + (0, 1).
    expectClose(momenta[0]!.reshape([-1]).toArray() as number[], [-0.1, 1]);
    expectClose(momenta[1]!.reshape([-1]).toArray() as number[], [0.9, 1]);
  });

  test('a gradient that is no number never reaches the optimizer', async () => {
    const bad = { G: [[1, 0]], g: [Number.NaN, 1], gem: { project: 'update' as const } };
    const optimizer = optimizers.Adam!;
    let before: unknown;
    let parameters: readonly Variable[] = [];
    const watch: StrategyPlugin = {
      name: 'watch',
      beforeForward: (s) => {
        parameters = s.optimizer.parameters;
        before = parameters[0]!.value.toArray();
      },
    };
    await expect(train({ ...bad, optimizer, watch })).rejects.toThrow(
      /NaN: the gradient of weight on the current batch/,
    );
    expect(parameters[0]!.value.toArray()).toEqual(before);
    // And an optimizer that makes one of a gradient that is.
    const wild = (p: readonly Variable[]) =>
      Object.assign(Object.create(new optim.SGD(p)), {
        step: () => {
          const [first] = p[0]!.grad!.value.reshape([-1]).toArray() as number[];
          if (first! < 0) p[0]!.assign(keep(tensor([[Number.POSITIVE_INFINITY, 0]], { dtype: 'float64' })));
        },
      }) as optim.Optimizer;
    const good = { ...bad, g: [-1, 1], optimizer: (p: readonly Variable[]) => wild(p), watch };
    await expect(train({ ...good, G: [[1, 0]] })).rejects.toThrow(/the update of weight/);
    expect(parameters[0]!.value.toArray()).toEqual(before);
  });
});
