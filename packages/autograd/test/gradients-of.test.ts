// gradientsOf: derivatives as values, with nothing stored anywhere.

import { tensor } from '@gemlab/tensor';
import { expect, test } from 'vitest';
import { GradientError, gradientsOf, variable } from '../src/index.ts';
import { leaf } from './derivatives.ts';

test('leaves and intermediates have gradients, and no grad is touched', () => {
  const x = leaf([1, 2]);
  const y = x.square();
  const z = y.mul(3).sum();
  const [gz, gy, gx] = gradientsOf(z, [z, y, x]);
  expect(gz!.item()).toBe(1);
  expect(gy!.value.toArray()).toEqual([3, 3]);
  expect(gx!.value.toArray()).toEqual([6, 12]);
  expect([x.grad, y.grad, z.grad]).toEqual([null, null, null]);
});

test('an intermediate used in several places gets the whole gradient', () => {
  const x = leaf(2);
  const y = x.square();
  const [gy] = gradientsOf(y.mul(y).add(y), [y]);
  expect(gy!.item()).toBe(9);
});

test('what the output does not depend on gets zeros of its shape and dtype', () => {
  const x = leaf([1, 2]);
  const aside = variable(tensor([[1, 2, 3]]), { requiresGrad: true });
  const after = x.sum().exp();
  const [gAside, gAfter] = gradientsOf(x.sum(), [aside, after]);
  expect(gAside!.value.toArray()).toEqual([[0, 0, 0]]);
  expect(gAside!.dtype).toBe('float32');
  expect(gAfter!.item()).toBe(0);
});

test('the same variable may be asked for twice', () => {
  const x = leaf(3);
  expect(gradientsOf(x.square(), [x, x]).map((g) => g.item())).toEqual([6, 6]);
});

test('a seed weighs the elements of the output, and may be on the tape itself', () => {
  const [x, w] = [leaf([1, 2]), leaf([10, 100])];
  const [g] = gradientsOf(x.square(), [x], { seed: w, createGraph: true });
  expect(g!.value.toArray()).toEqual([20, 400]);
  // d/dw of sum(2 x w): the way to forward mode.
  expect(gradientsOf(g!.sum(), [w])[0]!.value.toArray()).toEqual([2, 4]);
});

test('without createGraph a gradient is a constant, even one that is the seed itself', () => {
  const [x, w] = [leaf([1, 2]), leaf([10, 100])];
  const [g] = gradientsOf(x.add(0), [x], { seed: w });
  expect(g!.value.toArray()).toEqual([10, 100]);
  expect(g!.requiresGrad).toBe(false);
});

test('asking for the gradient of a constant is an error that names it', () => {
  const x = leaf(1);
  const c = variable(tensor(1, { dtype: 'float64' }));
  expect(() => gradientsOf(x.mul(c), [x, c])).toThrow(GradientError);
  expect(() => gradientsOf(x.mul(c), [x, c])).toThrow('gradientsOf: variable 1 of 2 does not require a gradient');
  expect(() => gradientsOf(c, [x])).toThrow('nothing behind this variable');
});

test('what is no array of variables is refused by name', () => {
  const x = leaf(1);
  for (const [wrt, found] of [
    [x, 'a Variable'],
    [undefined, 'undefined'],
    [{ x }, 'an Object'],
    [[x, x.value], 'a Tensor at 1'],
    [[undefined], 'undefined at 0'],
  ]) {
    expect(() => gradientsOf(x.exp(), wrt as never)).toThrow(GradientError);
    expect(() => gradientsOf(x.exp(), wrt as never)).toThrow(
      `gradientsOf: wants variables to differentiate by, [x, ...], found ${found}`,
    );
  }
});
