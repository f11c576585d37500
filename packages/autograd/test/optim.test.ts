// Optimizers as objects: a saved one goes on to the last bit, groups, what is refused; schedules and clipping likewise.

import {
  errors,
  Rng,
  rand,
  randn,
  readSafetensors,
  scope,
  type Tensor,
  tensor,
  writeSafetensors,
  zeros,
} from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GradientError, nn, OptimizerError, optim, StateError, type Variable, variable } from '../src/index.ts';
import { leaf } from './derivatives.ts';

const optimizers = {
  SGD: (ps: Variable[], o = {}) =>
    new optim.SGD(ps, { lr: 0.05, momentum: 0.9, dampening: 0.1, weightDecay: 0.01, ...o }),
  'plain SGD': (ps: Variable[], o = {}) => new optim.SGD(ps, { lr: 0.05, ...o }),
  Adam: (ps: Variable[], o = {}) => new optim.Adam(ps, { lr: 0.05, weightDecay: 0.01, ...o }),
  'Adam, amsgrad': (ps: Variable[], o = {}) => new optim.Adam(ps, { lr: 0.05, amsgrad: true, ...o }),
  AdamW: (ps: Variable[], o = {}) => new optim.AdamW(ps, { lr: 0.05, ...o }),
  Adamax: (ps: Variable[], o = {}) => new optim.Adamax(ps, { lr: 0.05, ...o }),
  RMSprop: (ps: Variable[], o = {}) => new optim.RMSprop(ps, { lr: 0.05, momentum: 0.5, centered: true, ...o }),
  Adagrad: (ps: Variable[], o = {}) => new optim.Adagrad(ps, { lr: 0.05, lrDecay: 0.1, initialAccumulator: 0.1, ...o }),
  Adadelta: (ps: Variable[], o = {}) => new optim.Adadelta(ps, o),
};
const names = Object.keys(optimizers) as (keyof typeof optimizers)[];

/** A loss of two parameters, another in every step, of which the second has a gradient in every other step only. */
function problem(seed: number, dtype: 'float32' | 'float64') {
  const rng = new Rng(seed);
  const shapes = [[2, 3], [4]];
  const start = shapes.map((shape) => randn(shape, rng, { dtype }));
  const pulls = Array.from({ length: 8 }, () => shapes.map((shape) => rand(shape, rng, { low: -1, dtype })));
  return {
    leaves: () => start.map((value) => variable(value, { requiresGrad: true })),
    step: (parameters: readonly Variable[], optimizer: optim.Optimizer, t: number): void =>
      scope(() => {
        optimizer.zeroGrad();
        const [first, second] = parameters.map((p, i) => p.square().mul(pulls[t]![i]!).add(p.mul(0.1)).sum());
        (t % 2 === 0 ? first!.add(second!) : first!).backward();
        optimizer.step();
      }),
  };
}

/** Through the bytes of a file. */
function file(optimizer: optim.Optimizer): optim.SavedState {
  const { tensors, ...rest } = optimizer.stateDict();
  const saved = readSafetensors(writeSafetensors(tensors, { metadata: { optimizer: JSON.stringify(rest) } }));
  return { ...JSON.parse(saved.metadata.get('optimizer')!), tensors: saved.tensors };
}

const arrays = (parameters: readonly Variable[]) => parameters.map((p) => p.value.toArray());

test.each(names)('%s, saved, loaded and gone on with, is as if it had never stopped, bit for bit', (name) => {
  const dtypes = fc.constantFrom('float32' as const, 'float64' as const);
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 7 }), dtypes, (seed, stop, dtype) => {
      const { leaves, step } = problem(seed, dtype);
      const train = (parameters: Variable[], optimizer: optim.Optimizer, from: number, to: number) => {
        for (let t = from; t < to; t++) {
          if (t === 4) optimizer.groups[0]!.lr = 0.01;
          step(parameters, optimizer, t);
        }
        return optimizer;
      };
      const whole = leaves();
      train(whole, optimizers[name](whole), 0, 8);
      const halted = leaves();
      const saved = file(train(halted, optimizers[name](halted), 0, stop));
      // Resumed by an optimizer of the same kind with other options and a past of its own.
      const resumed = leaves();
      const other = train(resumed, optimizers[name](resumed, { lr: 0.7, maximize: true }), 0, 3);
      resumed.forEach((p, i) => {
        p.assign(halted[i]!.value);
      });
      other.loadStateDict(saved);
      train(resumed, other, stop, 8);
      expect(arrays(resumed)).toEqual(arrays(whole));
    }),
    { numRuns: 12 },
  );
});

test('all of them are saved and loaded', () => {
  const made = new Set(Object.values(optimizers).map((make) => make([]).constructor.name));
  const all = Object.values(optim).filter((x) => 'prototype' in x && x.prototype instanceof optim.GroupOptimizer);
  expect(made).toEqual(new Set(all.map((x) => x.name)));
});

describe('a state', () => {
  const moved = (values: number[]) => {
    const p = leaf(values);
    const optimizer = new optim.Adam([p, leaf([0])], { lr: 0.1 });
    p.square().sum().backward();
    optimizer.step();
    return optimizer;
  };

  test('is options, steps and slots, in plain data but for the tensors', () => {
    const { tensors, ...rest } = moved([2, 1]).stateDict();
    expect(rest).toEqual({
      algorithm: 'Adam',
      groups: [
        {
          size: 2,
          options: { lr: 0.1, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maximize: false, amsgrad: false },
        },
      ],
      parameters: [
        { step: 1, slots: ['mean', 'square'] },
        { step: 0, slots: [] },
      ],
    });
    expect(Object.keys(tensors)).toEqual(['0.mean', '0.square']);
    expect(
      tensors['0.square']!.sub(tensor([16e-3, 4e-3], { dtype: 'float64' }))
        .abs()
        .max()
        .item(),
    ).toBeLessThan(1e-15);
  });

  test('that does not fit is refused with all that is wrong, and changes nothing', () => {
    const optimizer = moved([2, 1]);
    const before = optimizer.stateDict();
    const refusal = (state: unknown): StateError => {
      let caught: unknown;
      try {
        optimizer.loadStateDict(state as optim.SavedState);
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(StateError);
      expect(optimizer.stateDict()).toEqual(before);
      return caught as StateError;
    };
    const lost = scope(() => {
      let t: Tensor | undefined;
      scope(() => {
        t = zeros([2], { dtype: 'float64' });
      });
      return { t: t! };
    }).t;
    const { groups, parameters, tensors } = before;
    for (const none of [null, 7, {}, { ...before, groups: null }, { ...before, parameters: [{}] }]) {
      expect(refusal(none).message).toContain('not a state; wants { algorithm, groups, parameters, tensors }');
    }
    expect(refusal({ ...before, algorithm: 'SGD', parameters: parameters.slice(1) }).fields.problems).toEqual([
      'algorithm: found SGD, wanted Adam',
      'number of parameters: found 1, wanted 2',
    ]);
    expect(
      refusal(new optim.Adam([{ parameters: [leaf(1)] }, { parameters: [leaf(2)] }]).stateDict()).message,
    ).toContain('sizes of the groups: found [1,1], wanted [2]');
    expect(refusal({ ...before, groups: [{ ...groups[0], options: { lr: -1 } }] }).message).toContain(
      'lr must be a finite number >= 0, found -1',
    );
    expect(refusal({ ...before, groups: [{ ...groups[0], options: { speed: 1 } }] }).message).toContain(
      'speed is no option',
    );
    expect(
      refusal({ ...before, tensors: { '0.mean': zeros([3], { dtype: 'float64' }), '7.mean': zeros([2]) } }).fields
        .problems,
    ).toEqual(['0.mean is float64 [3], wanted float64 [2]', '0.square is missing', '7.mean belongs to no slot']);
    expect(refusal({ ...before, tensors: { '0.mean': zeros([2]), '0.square': [1, 2] } }).fields.problems).toEqual([
      '0.mean is float32 [2], wanted float64 [2]',
      '0.square is no tensor',
    ]);
    expect(refusal({ ...before, tensors: { ...tensors, '0.mean': lost } }).message).toContain('scope that has ended');
  });
});

describe('groups', () => {
  test('may be added while training, and take the defaults that they leave open', () => {
    const [a, b] = [leaf([1]), leaf([1])];
    const optimizer = new optim.SGD([a], { lr: 0.5, momentum: 0.5 });
    optimizer.addGroup({ parameters: [b, b], lr: 0.25 });
    expect(optimizer.groups.map(({ lr, momentum }) => [lr, momentum])).toEqual([
      [0.5, 0.5],
      [0.25, 0.5],
    ]);
    expect(optimizer.parameters).toEqual([a, b]);
    a.add(b).sum().backward();
    optimizer.step();
    expect([a.value.item(), b.value.item()]).toEqual([0.5, 0.75]);
  });

  test('refuse a parameter that another has, and what is none', () => {
    const a = leaf([1]);
    const optimizer = new optim.SGD([a]);
    expect(() => optimizer.addGroup({ parameters: [a] })).toThrow(OptimizerError);
    expect(() => new optim.SGD([{ parameters: [a] }, { parameters: [a] }])).toThrow('that no other group has');
    expect(() => new optim.SGD([a, { parameters: [] }] as never)).toThrow('a group wants { parameters }');
    for (const none of [[1], [null], [undefined], [{}], undefined, null, {}, a, new nn.ReLU()]) {
      expect(() => new optim.SGD(none as never)).toThrow(OptimizerError);
    }
    expect(() => new optim.SGD(new nn.ReLU() as never)).toThrow(
      'SGD: wants an array of parameters or of groups, found a ReLU; did you mean model.parameters()?',
    );
    for (const options of [0.1, null]) expect(() => new optim.SGD([a], options as never)).toThrow(OptimizerError);
    for (const none of [undefined, null, [], a])
      expect(() => optimizer.addGroup(none as never)).toThrow(OptimizerError);
    expect(optimizer.groups).toHaveLength(1);
  });

  test('refuse what was computed, before anything moves; a leaf may want no gradient', () => {
    const computed = leaf([1]).mul(2).retainGrad();
    const optimizer = new optim.SGD([variable(tensor([1]))]);
    expect(() => new optim.SGD([leaf([1]), computed])).toThrow(OptimizerError);
    expect(() => optimizer.addGroup({ parameters: [computed] })).toThrow(
      'SGD: a parameter float64 [1] was computed by mul, and only a leaf can be moved; give the leaves',
    );
    expect(optimizer.groups).toHaveLength(1);
  });
});

describe('a step', () => {
  test('that throws has moved nothing', () => {
    const [a, b] = [leaf([1]), leaf([1])];
    const optimizer = new optim.Adam([a, b]);
    a.add(b).sum().backward();
    b.grad = variable(tensor([1, 2], { dtype: 'float64' }));
    expect(() => optimizer.step()).toThrow('Adam: the gradient is float64 [2], its parameter float64 [1]');
    b.grad = variable(tensor([1]));
    expect(() => optimizer.step()).toThrow('the gradient is float32 [1], its parameter float64 [1]');
    expect([a.value.item(), optimizer.stateDict().parameters[0]!.step]).toEqual([1, 0]);
  });

  test.each(names)('of %s leaves no storage behind but values and slots', (name) => {
    const { leaves, step } = problem(1, 'float32');
    const parameters = leaves();
    const optimizer = optimizers[name](parameters);
    scope(() => {
      for (let t = 0; t < 3; t++) step(parameters, optimizer, t);
    });
    for (const p of parameters) expect(p.value.storage.released).toBe(false);
    for (const value of Object.values(optimizer.stateDict().tensors)) expect(value.storage.released).toBe(false);
  });
});

test('options out of range are refused, in groups too', () => {
  const p = leaf([1]);
  const refuse = (make: () => unknown, message: string) => {
    expect(make).toThrow(OptimizerError);
    expect(make).toThrow(message);
  };
  refuse(() => new optim.Adam([p], { betas: [0.9, 1] }), 'Adam: betas must be 2 numbers in [0, 1), found 0.9,1');
  refuse(() => new optim.Adam([p], { betas: [0.9] as never }), 'must be 2 numbers in [0, 1)');
  refuse(() => new optim.AdamW([p], { amsgrad: 1 as never }), 'AdamW: amsgrad must be true or false, found 1');
  refuse(() => new optim.RMSprop([p], { alpha: 1.5 }), 'alpha must be at most 1, found 1.5');
  refuse(() => new optim.Adadelta([p], { rho: 2 }), 'rho must be at most 1');
  refuse(() => new optim.Adagrad([p], { weigthDecay: 0.1 } as never), 'Adagrad: weigthDecay is no option of it');
  refuse(() => new optim.SGD([p], { nesterov: true, momentum: 0.9, dampening: 0.1 }), 'nesterov needs');
  refuse(() => new optim.SGD([{ parameters: [p], lr: Number.NaN }]), 'lr must be a finite number >= 0, found NaN');
  expect(new optim.SGD([p], { momentum: undefined as never }).groups[0]!.momentum).toBe(0);
});

test('centered RMSprop takes a gradient that never changes, where its variance rounds below 0', () => {
  const p = variable(tensor([0, 0, 0]), { requiresGrad: true });
  const optimizer = new optim.RMSprop([p], { centered: true, alpha: 0.9 });
  for (let t = 0; t < 200; t++) {
    optimizer.zeroGrad();
    p.mul(tensor([0.1, 0.3, 1.7]))
      .sum()
      .backward();
    optimizer.step();
  }
  expect(p.value.isFinite().all().item()).toBe(true);
});

describe('clipping', () => {
  const gradients = (...values: (number[] | null)[]) =>
    values.map((value) => {
      const p = leaf(value ?? [0]);
      p.grad = value && variable(tensor(value, { dtype: 'float64' }));
      return p;
    });

  test('by norm makes the norm at most that, in the same direction, and leaves what is small enough alone', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.double({ min: 0.01, max: 10, noNaN: true }),
        fc.constantFrom(1, 2, 3, Infinity),
        (seed, most, p) => {
          const drawn = randn([5], new Rng(seed), { dtype: 'float64' });
          const [x] = gradients(drawn.toArray() as number[]);
          const norm = optim.clipGradNorm([x!, x!], most, { normType: p });
          const after = optim.clipGradNorm([x!], Infinity, { normType: p });
          expect(after).toBeLessThanOrEqual(most * (1 + 1e-12));
          if (norm < most * 0.99) expect(x!.grad!.value.toArray()).toEqual(drawn.toArray());
          else expect(after).toBeGreaterThan(Math.min(norm, most) * (1 - 1e-3));
          const expected = drawn.mul(after / norm);
          expect(x!.grad!.value.sub(expected).abs().max().item()).toBeLessThan(1e-12);
        },
      ),
    );
  });

  test('counts all gradients as one, without overflow', () => {
    const [a, b, none] = gradients([3], [4], null);
    expect(optim.clipGradNorm([a!, b!, none!], 1)).toBe(5);
    expect(none!.grad).toBeNull();
    const big = variable(tensor([1e30]), { requiresGrad: true });
    big.grad = variable(tensor([1e30]));
    expect(optim.clipGradNorm([big], 1) / 1e30).toBeCloseTo(1, 6);
    expect(big.grad.item()).toBeCloseTo(1, 6);
    expect(optim.clipGradNorm([], 1)).toBe(0);
  });

  test('by norm agrees with float64, though float32 gradients of any size stay float32', () => {
    const scale = fc.constantFrom(1e-30, 1e-3, 1, 1e4, 1e30);
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(scale, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(1, 2, 3.5),
        (seed, sizes, p) => {
          const gradients = sizes.map((size, i) => {
            const x = variable(tensor([0, 0, 0, 0]), { requiresGrad: true });
            x.grad = variable(randn([4], new Rng(seed).foldIn(i)).mul(size));
            return x;
          });
          const values = gradients.flatMap((x) => [...x.grad!.value.dataSync()]);
          const most = Math.max(...values.map(Math.abs));
          const norm = most * values.reduce((sum, v) => sum + (Math.abs(v) / most) ** p, 0) ** (1 / p);
          expect(Math.abs(optim.clipGradNorm(gradients, Infinity, { normType: p }) / norm - 1)).toBeLessThan(1e-6);
        },
      ),
    );
    const [small, wide] = gradients([3, 0], [0, 0]);
    wide!.grad = variable(tensor([0, 4], { dtype: 'float64' }));
    expect(optim.clipGradNorm([small!, wide!], 1)).toBe(5);
  });

  test.each([Number.NaN, Infinity])('a norm of %d is returned, or an error if asked', (bad) => {
    for (const normType of [2, Infinity]) {
      const [a, b] = gradients([bad], [2]);
      const clip = () => optim.clipGradNorm([a!, b!], 1, { normType, errorIfNonFinite: true });
      expect(clip).toThrow(GradientError);
      expect(b!.grad!.item()).toBe(2);
      expect(optim.clipGradNorm([a!, b!], 1, { normType })).toBe(bad);
      expect(a!.grad!.item()).toBeNaN();
    }
  });

  test('by value keeps each element within the bounds', () => {
    const [x] = gradients([-3, -0.5, 0, 2, Infinity]);
    optim.clipGradValue([x!], 1);
    expect(x!.grad!.value.toArray()).toEqual([-1, -0.5, 0, 1, 1]);
  });

  test('refuses bounds below 0', () => {
    for (const bad of [-1, Number.NaN]) {
      expect(() => optim.clipGradNorm([], bad)).toThrow(OptimizerError);
      expect(() => optim.clipGradValue([], bad)).toThrow(OptimizerError);
    }
    expect(() => optim.clipGradNorm([], 1, { normType: 0 })).toThrow('normType 0');
  });

  test('refuses what is no array of parameters', () => {
    for (const none of [undefined, leaf(1), new nn.ReLU(), [null]] as never[]) {
      expect(() => optim.clipGradNorm(none, 1)).toThrow(OptimizerError);
      expect(() => optim.clipGradValue(none, 1)).toThrow('clipGradValue: wants an array of parameters, found ');
    }
  });
});

describe('schedules', () => {
  const rates = (schedule: optim.Schedule, n: number) => Array.from({ length: n }, (_, t) => schedule(t, 1));

  test('follow one another, each from its own step 0', () => {
    const schedule = optim.sequentialLR([optim.exponentialLR(0.5), (t) => 10 + t, optim.stepLR(1)], [2, 5]);
    expect(rates(schedule, 7)).toEqual([1, 0.5, 10, 11, 12, 1, 0.1]);
  });

  test('go on where they were saved, and take in groups that come later', () => {
    const make = () => new optim.SGD([{ parameters: [] }, { parameters: [], lr: 0.5 }], { lr: 0.1 });
    const [a, b] = [make(), make()];
    const whole = new optim.LRScheduler(a, optim.cosineAnnealingLR(10));
    for (let t = 0; t < 6; t++) whole.step();
    const halted = new optim.LRScheduler(b, optim.cosineAnnealingLR(10));
    for (let t = 0; t < 3; t++) halted.step();
    const c = make();
    c.loadStateDict(b.stateDict());
    const resumed = new optim.LRScheduler(c, optim.cosineAnnealingLR(10));
    resumed.loadStateDict(JSON.parse(JSON.stringify(halted.stateDict())));
    for (let t = 3; t < 6; t++) resumed.step();
    expect(c.groups.map((g) => g.lr)).toEqual(a.groups.map((g) => g.lr));
    c.addGroup({ parameters: [], lr: 7 });
    resumed.step();
    expect(c.groups[2]!.lr).toBe(optim.cosineAnnealingLR(10)(7, 7));
  });

  test('saved at any time, also before a step after addGroup, the rates go on as if nothing had been saved', () => {
    const schedule = optim.exponentialLR(0.5);
    const make = (rates: readonly number[]) => new optim.SGD(rates.map((lr) => ({ parameters: [], lr })));
    const rates = (optimizer: optim.SGD) => optimizer.groups.map(({ lr }) => lr);
    // A number is the rate of a group that is added, null a step.
    const events = fc.array(fc.option(fc.integer({ min: 1, max: 9 })), { maxLength: 8 });
    fc.assert(
      fc.property(events, events, fc.boolean(), (before, after, optimizerFirst) => {
        const whole = make([4]);
        const scheduler = new optim.LRScheduler(whole, schedule);
        const live = (of: optim.SGD, by: optim.LRScheduler, all: typeof before) =>
          all.map((lr) => {
            if (lr === null) by.step();
            else of.addGroup({ parameters: [], lr });
            return rates(of);
          });
        live(whole, scheduler, before);
        const state = JSON.parse(JSON.stringify(scheduler.stateDict()));
        const resumed = make([4, ...before.filter((lr) => lr !== null)]);
        const again = new optim.LRScheduler(resumed, schedule);
        const loads = [() => resumed.loadStateDict(whole.stateDict()), () => again.loadStateDict(state)];
        for (const load of optimizerFirst ? loads : loads.reverse()) load();
        expect(rates(resumed)).toEqual(rates(whole));
        expect(live(resumed, again, after)).toEqual(live(whole, scheduler, after));
      }),
    );
  });

  test('schedules refuse what makes no rate', () => {
    for (const make of [
      () => optim.exponentialLR(undefined as never),
      () => optim.stepLR(3, Number.NaN),
      () => optim.multiStepLR(5 as never),
      () => optim.multiStepLR([5], Number.NaN),
      () => optim.polynomialLR(4, Number.NaN),
      () => optim.oneCycleLR({ totalSteps: 5 } as never),
      () => optim.sequentialLR([optim.exponentialLR(1)], undefined as never),
    ]) {
      expect(make).toThrow(OptimizerError);
    }
    expect(() => optim.exponentialLR(undefined as never)).toThrow(
      'exponentialLR: gamma is out of range, found undefined',
    );
  });

  test('what is no state, and a schedule that fails, change nothing', () => {
    const optimizer = new optim.SGD([{ parameters: [] }, { parameters: [], lr: 2 }], { lr: 1 });
    let rate: () => number = () => 3;
    const scheduler = new optim.LRScheduler(optimizer, (_, base) => (base === 2 ? rate() : base));
    const now = () => [scheduler.stateDict(), optimizer.groups.map(({ lr }) => lr)];
    const before = now();
    for (const state of [
      undefined,
      null,
      {},
      { t: -5, bases: [1, 2] },
      { t: 1, bases: [1] },
      { t: 1, bases: [1, '2'] },
    ]) {
      expect(() => scheduler.loadStateDict(state as never)).toThrow(StateError);
    }
    for (const bad of [Number.NaN, Infinity, undefined as never]) {
      rate = () => bad;
      expect(() => scheduler.step()).toThrow(OptimizerError);
      expect(() => scheduler.step()).toThrow(
        `the schedule gave ${bad} at step 1 for the rate 2; a rate is a finite number`,
      );
      expect(() => scheduler.loadStateDict({ t: 2, bases: [5, 2] })).toThrow(OptimizerError);
    }
    rate = () => {
      throw new RangeError('mine');
    };
    expect(() => scheduler.step()).toThrow('mine');
    expect(now()).toEqual(before);
    expect(() => new optim.LRScheduler(optimizer, 0.5 as never)).toThrow('found number 0.5');
  });

  test('a plateau goes on where it was saved', () => {
    const make = () => ({ groups: [{ parameters: [], lr: 1 }] });
    const options = { patience: 1, cooldown: 1, factor: 0.5 };
    const metrics = [3, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1];
    const a = make();
    const whole = new optim.ReduceLROnPlateau(a, options);
    for (const m of metrics) whole.step(m);
    for (let stop = 0; stop < metrics.length; stop++) {
      const b = make();
      const halted = new optim.ReduceLROnPlateau(b, options);
      for (const m of metrics.slice(0, stop)) halted.step(m);
      const resumed = new optim.ReduceLROnPlateau(b, options);
      resumed.loadStateDict(JSON.parse(JSON.stringify(halted.stateDict())));
      for (const m of metrics.slice(stop)) resumed.step(m);
      expect(b).toEqual(a);
      expect(() => resumed.loadStateDict({ best: null, bad: -1, cooling: 0 })).toThrow(StateError);
    }
  });

  test('a plateau refuses options out of range, and takes undefined for the default', () => {
    const optimizer = { groups: [{ parameters: [], lr: 1 }] };
    const make = (options: object) => new optim.ReduceLROnPlateau(optimizer, options);
    const names = ['mode', 'factor', 'patience', 'threshold', 'thresholdMode', 'cooldown', 'minLr', 'eps'];
    expect(make(Object.fromEntries(names.map((name) => [name, undefined]))).options).toEqual(make({}).options);
    for (const options of [
      { mode: 'foo' },
      { patience: -3 },
      { thresholdMode: 'foo' },
      { factor: 1 },
      { factor: -1 },
      { cooldown: Number.NaN },
      { minLr: '0' },
      { eps: Infinity },
    ]) {
      const [[name, value]] = Object.entries(options) as [[string, unknown]];
      expect(() => make(options)).toThrow(OptimizerError);
      expect(() => make(options)).toThrow(new RegExp(`^ReduceLROnPlateau: ${name} must be .*, found ${value}$`));
    }
    const plateau = make({});
    const before = plateau.stateDict();
    for (const state of [undefined, null]) expect(() => plateau.loadStateDict(state as never)).toThrow(StateError);
    expect(() => plateau.step(leaf(1) as never)).toThrow('found a Variable; did you mean loss.item()?');
    expect(plateau.stateDict()).toEqual(before);
  });

  test('a plateau counts NaN as no improvement', () => {
    const optimizer = { groups: [{ parameters: [], lr: 1 }] };
    const plateau = new optim.ReduceLROnPlateau(optimizer, { patience: 0, factor: 0.5 });
    plateau.step(Number.NaN);
    expect(optimizer.groups[0]!.lr).toBe(0.5);
  });

  test('stay where they end', () => {
    expect(rates(optim.oneCycleLR({ maxLr: 1, totalSteps: 4 }), 6).slice(3)).toEqual([4e-6, 4e-6, 4e-6]);
    expect(rates(optim.oneCycleLR({ maxLr: 1, totalSteps: 10, pctStart: 0.1 }), 2)[0]).toBe(1);
    expect(rates(optim.linearLR({ startFactor: 0, totalIters: 2 }), 4)).toEqual([0, 0.5, 1, 1]);
    expect(rates(optim.polynomialLR(2), 4)).toEqual([1, 0.5, 0, 0]);
  });

  test('refuse what makes no schedule', () => {
    for (const make of [
      () => optim.stepLR(0),
      () => optim.cosineAnnealingLR(0),
      () => optim.cosineAnnealingWarmRestarts(1.5),
      () => optim.linearLR({ totalIters: 0 }),
      () => optim.oneCycleLR({ maxLr: 1, totalSteps: 10, pctStart: 2 }),
      () => optim.sequentialLR([optim.stepLR(1)], [1]),
      () => new optim.ReduceLROnPlateau({ groups: [] }, { factor: 1 }),
    ]) {
      expect(make).toThrow(OptimizerError);
      expect(make).toThrow(errors.GemlabError);
    }
  });
});
