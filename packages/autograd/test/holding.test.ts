// An optimizer's step uses the memory of what it replaces again. Whoever holds an old value, in whatever way, must not notice: tensors are
// values. Each way of holding one is stated here, and random trainings hold values in all of these ways at random.

import { keep, Rng, randn, scope, type Tensor, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkpoint,
  customGradient,
  functionalCall,
  gradientsOf,
  nn,
  noGrad,
  optim,
  type Variable,
  variable,
} from '../src/index.ts';

const SIZE = 40;
const parameter = () => variable(randn([SIZE], new Rng(3)), { requiresGrad: true });
const input = randn([SIZE], new Rng(4));
/** A loss with a gradient that depends on theta. */
const lossOf = (p: Variable): Variable => p.mul(p).mul(input).sum();

/** One way to hold the value that p has: made inside of the training scope or outside, gives the value it was, or its double, later. */
const ways: Record<string, (p: Variable) => () => ArrayLike<number>> = {
  'its value': (p) => {
    const held = p.value;
    return () => held.dataSync();
  },
  'a view of its value': (p) => {
    const held = p.value.reshape([2, SIZE / 2]).transpose();
    return () => held.transpose().dataSync();
  },
  'the value of a constant made of it': (p) => {
    const held = keep(p.detach());
    return () => held.value.dataSync();
  },
  'a kept view on the tape': (p) => {
    const held = keep(p.reshape([1, SIZE]));
    return () => held.value.dataSync();
  },
  'a kept view off the tape': (p) => {
    const held = keep(noGrad(() => p.reshape([1, SIZE])));
    return () => held.value.dataSync();
  },
  'a kept tape, whose gradients are those of then': (p) => {
    const held = keep(p.square().sum());
    return () => gradientsOf(held, [p])[0]!.value.div(2).dataSync();
  },
  'a kept tape through a custom gradient': (p) => {
    let seen: Tensor | undefined;
    const double = customGradient({
      forward: (x: Tensor) => {
        seen = x;
        return x.mul(2);
      },
      backward: (g) => [g.mul(2)],
    });
    keep(double(p));
    return () => seen!.dataSync();
  },
  'a checkpoint': (p) => {
    const held = keep(checkpoint((x: Variable) => x.square().sum(), p));
    return () => gradientsOf(held, [p])[0]!.value.div(2).dataSync();
  },
  'a state dict': (p) => {
    class Holder extends nn.Module {
      readonly p = p;
      override forward(x: Variable): Variable {
        return x.mul(this.p);
      }
    }
    const state = new Holder().stateDict();
    return () => state.p!.dataSync();
  },
  'a functional call': (p) => {
    class Holder extends nn.Module {
      readonly own = variable(tensor(new Float32Array(SIZE)), { requiresGrad: true });
      override forward(x: Variable): Variable {
        return x.mul(this.own).mul(this.own).sum();
      }
    }
    const held = keep(functionalCall(new Holder(), { own: p }, variable(tensor(new Float32Array(SIZE).fill(1)))));
    return () => gradientsOf(held, [p])[0]!.value.div(2).dataSync();
  },
};

const optimizers: Record<string, (p: Variable) => optim.Optimizer> = {
  SGD: (p) => new optim.SGD([p], { lr: 0.05 }),
  'SGD with momentum': (p) => new optim.SGD([p], { lr: 0.05, momentum: 0.5, weightDecay: 0.01 }),
  Adam: (p) => new optim.Adam([p], { lr: 0.05 }),
};

describe.each(Object.keys(ways))('%s', (way) => {
  test.each(['inside of the scope', 'outside, before it', 'in a scope before'])('held %s', (place) => {
    const p = parameter();
    const optimizer = new optim.SGD([p], { lr: 0.1 });
    const train = (hold: () => void) =>
      scope(() => {
        optimizer.zeroGrad();
        lossOf(p).backward();
        hold();
        optimizer.step();
      });
    // Its first value is an upload; from the second on it is an optimizer's.
    for (let i = 0; i < 3; i++) train(() => undefined);
    const expected = Array.from(scope(() => p.add(0).value.dataSync()));
    let look: () => ArrayLike<number> = () => [];
    const hold = () => {
      look = ways[way]!(p);
    };
    if (place === 'outside, before it') hold();
    if (place === 'in a scope before') scope(hold);
    train(place === 'inside of the scope' ? hold : () => undefined);
    for (let i = 0; i < 5; i++) train(() => undefined);
    expect(Array.from(look())).toEqual(expected);
  });
});

test('trainings that hold values at random', () => {
  const action = fc.record({
    way: fc.constantFrom(...Object.keys(ways)),
    at: fc.integer({ min: 0, max: 5 }),
    depth: fc.integer({ min: 0, max: 2 }),
    after: fc.boolean(),
  });
  const program = fc.record({
    optimizer: fc.constantFrom(...Object.keys(optimizers)),
    nested: fc.integer({ min: 1, max: 3 }),
    actions: fc.array(action, { maxLength: 4 }),
  });
  fc.assert(
    fc.property(program, ({ optimizer: name, nested, actions }) => {
      const p = parameter();
      const optimizer = optimizers[name]!(p);
      const held: { look: () => ArrayLike<number>; expected: number[] }[] = [];
      const inScopes = (depth: number, fn: () => void): void =>
        depth === 0 ? fn() : scope(() => inScopes(depth - 1, fn));
      for (let step = 0; step < 6; step++) {
        const hold = (after: boolean) => {
          for (const a of actions) {
            if (a.at !== step || a.after !== after) continue;
            inScopes(a.depth, () => {
              const expected = Array.from(p.add(0).value.dataSync());
              held.push({ look: ways[a.way]!(p), expected });
            });
          }
        };
        inScopes(nested, () => {
          optimizer.zeroGrad();
          lossOf(p).backward();
          hold(false);
          optimizer.step();
        });
        hold(true);
      }
      for (const { look, expected } of held) expect(Array.from(look())).toEqual(expected);
    }),
    { numRuns: 60 },
  );
});

test('what a returned tape needs stays, through an outer scope too', () => {
  const p = parameter();
  const optimizer = new optim.SGD([p], { lr: 0.1 });
  const step = () => {
    optimizer.zeroGrad();
    lossOf(p).backward();
    optimizer.step();
  };
  for (let i = 0; i < 2; i++) scope(step);
  const before = scope(() => p.add(0)).value.toArray();
  scope(() => {
    const loss = scope(() => p.square().sum());
    scope(step);
    scope(step);
    expect(gradientsOf(loss, [p])[0]!.value.div(2).toArray()).toEqual(before);
  });
  const again = scope(() => p.add(0)).value.toArray();
  const loss = scope(() => p.square().sum());
  for (let i = 0; i < 3; i++) scope(step);
  expect(gradientsOf(loss, [p])[0]!.value.div(2).toArray()).toEqual(again);
});

test('an optimizer of somebody else may hold its arguments', () => {
  const seen: Tensor[] = [];
  class Mine extends optim.GroupOptimizer<optim.OptimizerOptions> {
    constructor(p: Variable) {
      super('Mine', [p], { lr: 0.1, weightDecay: 0, maximize: false }, {});
    }
    protected override update(theta: Tensor, g: Tensor): Tensor {
      seen.push(theta);
      return theta.sub(g.mul(0.1));
    }
  }
  const p = parameter();
  const optimizer = new Mine(p);
  const expected: unknown[] = [];
  for (let i = 0; i < 4; i++) {
    scope(() => {
      optimizer.zeroGrad();
      lossOf(p).backward();
      expected.push(p.value.toArray());
      optimizer.step();
    });
  }
  expect(seen.map((t) => t.toArray())).toEqual(expected);
});

test('a momentum in a saved state stays as it was', () => {
  const p = parameter();
  const optimizer = new optim.SGD([p], { lr: 0.1, momentum: 0.9 });
  const step = () =>
    scope(() => {
      optimizer.zeroGrad();
      lossOf(p).backward();
      optimizer.step();
    });
  for (let i = 0; i < 3; i++) step();
  const saved = optimizer.stateDict().tensors['0.momentum']!;
  const then = saved.toArray();
  for (let i = 0; i < 3; i++) step();
  expect(saved.toArray()).toEqual(then);
});

test('a training goes round on two buffers for each parameter', () => {
  const p = parameter();
  const optimizer = new optim.SGD([p], { lr: 0.01 });
  const addresses = new Set<number>();
  for (let i = 0; i < 20; i++) {
    scope(() => {
      optimizer.zeroGrad();
      lossOf(p).backward();
      optimizer.step();
      addresses.add(p.peek.storage.address);
    });
  }
  // Where there is no WebAssembly all of them are -1.
  expect(addresses.size).toBeLessThanOrEqual(3);
});
