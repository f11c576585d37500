// Tapes and scopes: what a scope's result stands on survives it, the rest is an error to read.

import { errors, keep, Rng, scope, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { nn, optim, variable } from '../src/index.ts';
import { leaf } from './derivatives.ts';

describe('after a scope', () => {
  test('gradients made in it cannot be read, and the error says how to keep them', () => {
    const x = leaf([1, 2]);
    scope(() => x.square().sum().backward());
    expect(() => x.grad!.value.toArray()).toThrow(errors.ScopeError);
    expect(() => x.square().sum().backward()).toThrow('pass it to keep() inside the scope');
    expect(x.value.toArray()).toEqual([1, 2]);
  });

  test('a kept gradient can', () => {
    const x = leaf([1, 2]);
    scope(() => {
      x.square().sum().backward();
      keep(x.grad);
    });
    expect(x.grad!.value.toArray()).toEqual([2, 4]);
  });

  test('a returned variable has its whole tape, with the values that its leaves had', () => {
    const [loss, x] = scope(() => {
      const made = leaf(tensor([1, 2], { dtype: 'float64' }).add(2));
      const y = made.square().exp().log().sum();
      made.assign(made.value.mul(100));
      return [y, made] as const;
    });
    loss.backward();
    (x.grad!.value.toArray() as number[]).forEach((g, i) => {
      expect(g).toBeCloseTo([6, 8][i]!, 12);
    });
  });

  test('a returned leaf has its gradient', () => {
    const x = scope(() => {
      const made = variable(tensor([1, 2]).mul(3), { requiresGrad: true });
      made.square().sum().backward();
      return made;
    });
    expect(x.grad!.value.toArray()).toEqual([6, 12]);
  });

  test('a returned module has all its parameters', () => {
    const model = scope(() => new nn.MLP([2, 3, 1], { rng: new Rng(0), init: 'xavier' }));
    for (const p of model.parameters()) expect(p.value.storage.released).toBe(false);
    expect(model.forward(variable(tensor([[1, 2]]))).shape).toEqual([1, 1]);
  });

  test('parameters and momentum moved inside it stay', () => {
    const x = leaf([1, 2]);
    const optimizer = new optim.SGD([x], { lr: 0.5, momentum: 0.5 });
    for (let i = 0; i < 2; i++) {
      scope(() => {
        optimizer.zeroGrad();
        x.sum().backward();
        optimizer.step();
      });
    }
    // Steps of 0.5 and 0.75.
    expect(x.value.toArray()).toEqual([-0.25, 0.75]);
  });

  test('a released variable still prints', () => {
    let lost = leaf(0);
    scope(() => {
      lost = leaf([1, 2]).square();
    });
    const inspect = lost[Symbol.for('nodejs.util.inspect.custom') as keyof typeof lost] as unknown as () => string;
    expect(inspect.call(lost)).toBe('variable(released, shape=[2])');
  });
});
