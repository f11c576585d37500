// Optimizers, schedules and clipping against PyTorch in float64 (fixtures/make_optim.py): 100 steps of a small network
// in every setting.

import { readFileSync } from 'node:fs';
import { concat, scope, type Tensor, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { losses, optim, type Variable, variable } from '../src/index.ts';

type Matrix = number[][];
interface Fixture {
  readonly x: Matrix[];
  readonly y: number[][];
  readonly first: (number[] | Matrix)[];
  readonly steps: number[];
  readonly runs: { optimizer: Name; options: Partial<optim.SGDOptions>; watched: Matrix }[];
  readonly grouped: Matrix;
  readonly bases: number[];
  readonly schedules: { schedule: ScheduleName; arguments: unknown[]; rates: Matrix }[];
  readonly metrics: number[];
  readonly plateaus: { options: optim.PlateauOptions; rates: Matrix }[];
  readonly gradients: (number[] | Matrix)[];
  readonly clips: { maxNorm: number; normType: number | 'Infinity'; norm: number; gradients: (number[] | Matrix)[] }[];
}
type Name = 'SGD' | 'Adam' | 'AdamW' | 'Adamax' | 'RMSprop' | 'Adagrad' | 'Adadelta';
type ScheduleName = 'stepLR' | 'linearLR' | 'oneCycleLR';

const fixture: Fixture = JSON.parse(readFileSync(new URL('fixtures/optim.json', import.meta.url), 'utf8'));
const f64 = (data: number[] | Matrix): Tensor => tensor(data, { dtype: 'float64' });
const batches = fixture.x.map((x, i) => ({ x: variable(f64(x)), y: tensor(fixture.y[i]!, { dtype: 'int32' }) }));

/** The largest difference between what the optimizer and PyTorch make of the parameters, after 1, 10 and 100 steps. */
function differences(make: (theta: readonly Variable[]) => optim.Optimizer, watched: Matrix, ascent = false): number[] {
  const theta = fixture.first.map((p) => variable(f64(p), { requiresGrad: true }));
  const [w0, b0, w1, b1] = theta as [Variable, Variable, Variable, Variable];
  const optimizer = make(theta);
  const found: number[] = [];
  for (let step = 1; step <= fixture.steps.at(-1)!; step++) {
    scope(() => {
      const { x, y } = batches[(step - 1) % batches.length]!;
      const hidden = x.matmul(w0.transpose()).add(b0).tanh();
      const loss = losses.crossEntropy(hidden.matmul(w1.transpose()).add(b1), y);
      optimizer.zeroGrad();
      (ascent ? loss.neg() : loss).backward();
      optimizer.step();
    });
    const at = fixture.steps.indexOf(step);
    if (at < 0) continue;
    const all = concat<Tensor>(theta.map((p) => p.value.flatten()));
    found.push(all.sub(f64(watched[at]!)).abs().max().item() as number);
  }
  return found;
}

describe('optimizers follow PyTorch for 100 steps to 1e-10', () => {
  test.each(fixture.runs.map((run) => [run.optimizer, JSON.stringify(run.options), run] as const))(
    '%s %s',
    (...[, , run]) => {
      const make = (theta: readonly Variable[]) => new optim[run.optimizer](theta, run.options);
      const [first, ...later] = differences(make, run.watched, run.options.maximize);
      expect(first).toBeLessThan(1e-14);
      for (const difference of later) expect(difference).toBeLessThan(1e-10);
    },
  );

  test('groups with options of their own', () => {
    const make = ([w0, b0, w1, b1]: readonly Variable[]) =>
      new optim.SGD(
        [
          { parameters: [w0!, b0!], lr: 0.05, momentum: 0.5 },
          { parameters: [w1!, b1!], weightDecay: 0.01 },
        ],
        { lr: 0.1, momentum: 0.9 },
      );
    for (const difference of differences(make, fixture.grouped)) expect(difference).toBeLessThan(1e-10);
  });

  test('all of them are there', () => {
    const classes = Object.entries(optim).filter(([, x]) => x.prototype instanceof optim.GroupOptimizer);
    const ran = new Set<string>(fixture.runs.map((run) => run.optimizer));
    expect(classes.map(([name]) => name).toSorted()).toEqual([...ran].toSorted());
  });
});

const groupsOf = (bases: number[]) => ({ groups: bases.map((lr) => ({ parameters: [], lr })) });
const ratesOf = (optimizer: { groups: { lr: number }[] }) => optimizer.groups.map((group) => group.lr);

/** Equal to a few roundings: PyTorch multiplies up what is a power here. */
function expectRates(found: Matrix, expected: Matrix): void {
  found.flat().forEach((lr, i) => {
    const wanted = expected.flat()[i]!;
    expect(Math.abs(lr - wanted)).toBeLessThanOrEqual(1e-13 * wanted + 1e-17);
  });
  expect(found.flat()).toHaveLength(expected.flat().length);
}

describe('schedules follow PyTorch', () => {
  test.each(fixture.schedules.map((s) => [s.schedule, JSON.stringify(s.arguments), s] as const))(
    '%s %s',
    (...[, , s]) => {
      const optimizer = groupsOf(fixture.bases);
      const schedule = (optim[s.schedule] as (...args: unknown[]) => optim.Schedule)(...s.arguments);
      const scheduler = new optim.LRScheduler(optimizer, schedule);
      const found = s.rates.map(() => {
        const rates = ratesOf(optimizer);
        scheduler.step();
        return rates;
      });
      expectRates(found, s.rates);
    },
  );

  test.each(fixture.plateaus.map((p) => [JSON.stringify(p.options), p] as const))(
    'ReduceLROnPlateau %s',
    (_, { options, rates }) => {
      const optimizer = groupsOf(fixture.bases);
      const plateau = new optim.ReduceLROnPlateau(optimizer, options);
      const found = fixture.metrics.map((metric) => {
        plateau.step(metric);
        return ratesOf(optimizer);
      });
      expectRates(found, rates);
      expect(new Set(rates.map(([lr]) => lr)).size).toBeGreaterThan(1);
    },
  );
});

test.each(fixture.clips)(
  'clipGradNorm follows PyTorch: norm $normType at most $maxNorm',
  ({ maxNorm, normType, norm, gradients }) => {
    const parameters = fixture.gradients.map((g) => {
      const p = variable(f64(g).mul(0), { requiresGrad: true });
      p.grad = variable(f64(g));
      return p;
    });
    const found = optim.clipGradNorm(parameters, maxNorm, { normType: Number(normType) });
    expect(Math.abs(found - norm)).toBeLessThan(1e-14 * norm);
    parameters.forEach((p, i) => {
      expect(p.grad!.value.sub(f64(gradients[i]!)).abs().max().item()).toBeLessThan(1e-14);
    });
  },
);
