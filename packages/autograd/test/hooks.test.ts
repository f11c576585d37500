// Hooks see gradients as they come by, and may replace them; retainGrad keeps an intermediate's.

import { errors, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { GradientError, gradientsOf, type Variable, variable } from '../src/index.ts';
import { leaf } from './derivatives.ts';

describe('a hook', () => {
  test('sees the whole gradient, once in each walk', () => {
    const x = leaf([1, 2]);
    const y = x.square();
    const seen: unknown[] = [];
    y.registerHook((g) => {
      seen.push(g.value.toArray());
    });
    x.registerHook((g) => {
      seen.push(g.value.toArray());
    });
    const z = y.mul(3).add(y).sum();
    z.backward();
    expect(seen).toEqual([
      [4, 4],
      [8, 16],
    ]);
    z.backward();
    expect(seen).toHaveLength(4);
    // On a leaf it sees this walk's gradient, not what had accumulated.
    expect(seen[3]).toEqual([8, 16]);
    expect(x.grad!.value.toArray()).toEqual([16, 32]);
  });

  test('may replace the gradient, for all that comes after', () => {
    const x = leaf([1, 2]);
    const y = x.square();
    y.registerHook((g) => g.mul(10));
    x.registerHook(() => tensor([5, 7]));
    const z = y.sum();
    const seen: unknown[] = [];
    x.registerHook((g) => {
      seen.push(g.dtype, g.value.toArray());
    });
    z.backward();
    expect([x.grad!.value.toArray(), seen]).toEqual([
      [5, 7],
      ['float64', [5, 7]],
    ]);
    expect(gradientsOf(z, [y, x]).map((g) => g.value.toArray())).toEqual([
      [10, 10],
      [5, 7],
    ]);
  });

  test('can be removed, and only it', () => {
    const x = leaf(3);
    const double = (g: Variable) => g.mul(2);
    const [first, second] = [x.registerHook(double), x.registerHook(double)];
    const gradient = () => gradientsOf(x.square(), [x])[0]!.item();
    expect(gradient()).toBe(24);
    first();
    first();
    expect(gradient()).toBe(12);
    second();
    expect(gradient()).toBe(6);
  });

  test('is part of the derivative with createGraph', () => {
    const x = leaf(2);
    const y = x.square();
    y.registerHook((g) => g.mul(x));
    // "d/dx x^2" is x * 2x, whose derivative is 4x.
    const [first] = gradientsOf(y, [x], { createGraph: true });
    const [second] = gradientsOf(first!, [x]);
    expect([first!.item(), second!.item()]).toEqual([8, 8]);
  });

  test('is not asked where the walk does not come', () => {
    const [x, w] = [leaf(2), leaf(3)];
    const seen: string[] = [];
    w.registerHook(() => {
      seen.push('w');
    });
    const y = x.mul(w);
    gradientsOf(y, [x]);
    expect(seen).toEqual([]);
    gradientsOf(y, [w]);
    expect(seen).toEqual(['w']);
  });

  test('on the output sees the seed', () => {
    const x = leaf(2);
    const y = x.square();
    y.registerHook((g) => g.add(1));
    y.backward();
    expect(x.grad!.item()).toBe(8);
  });

  test('returns what has the shape of the gradient', () => {
    const x = leaf([1, 2]);
    x.registerHook((g) => g.sum());
    expect(() => x.square().sum().backward()).toThrow(errors.ShapeError);
    expect(() => x.square().sum().backward()).toThrow('registerHook: the hook returned [] for a gradient of [2]');
    expect(x.grad).toBeNull();
  });

  test('returns a gradient or nothing', () => {
    const seen: Variable[] = [];
    const x = leaf([1, 2]);
    const remove = x.registerHook(((g: Variable) => seen.push(g)) as never);
    expect(() => x.sum().backward()).toThrow(GradientError);
    expect(() => x.sum().backward()).toThrow(
      'registerHook: the hook returned number 2; it returns a gradient, or nothing',
    );
    expect(x.grad).toBeNull();
    remove();
    x.sum().backward();
    expect(x.grad!.value.toArray()).toEqual([1, 1]);
    expect(() => x.registerHook(undefined as never)).toThrow('registerHook: a hook is a function, found undefined');
  });

  test('has no place on a constant', () => {
    expect(() => variable(tensor(1)).registerHook(() => undefined)).toThrow(GradientError);
    expect(() =>
      leaf(1)
        .detach()
        .registerHook(() => undefined),
    ).toThrow('no gradient ever reaches this variable');
  });
});

describe('retainGrad', () => {
  test('keeps the gradient of an intermediate, as the hooks leave it, and adds up', () => {
    const x = leaf([1, 2]);
    const y = x.square().retainGrad();
    y.registerHook((g) => g.mul(2));
    const z = y.mul(3).sum();
    z.backward();
    expect([y.grad!.value.toArray(), x.grad!.value.toArray()]).toEqual([
      [6, 6],
      [12, 24],
    ]);
    z.backward();
    expect(y.grad!.value.toArray()).toEqual([12, 12]);
    expect([y.retainsGrad, x.retainsGrad, z.retainsGrad, x.detach().retainsGrad]).toEqual([true, true, false, false]);
  });

  test('is nothing to gradientsOf', () => {
    const x = leaf(2);
    const y = x.square().retainGrad();
    gradientsOf(y.exp(), [x]);
    expect([x.grad, y.grad]).toEqual([null, null]);
  });

  test('has no place on a constant', () => {
    expect(() => variable(tensor(1)).retainGrad()).toThrow(GradientError);
  });
});
