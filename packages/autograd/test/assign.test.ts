// Giving leaves new values, and tapes that remember the old ones.

import { errors, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { GradientError, gradientsOf, variable } from '../src/index.ts';
import { leaf } from './derivatives.ts';

const float64 = (value: number | number[]) => tensor(value, { dtype: 'float64' });

test('a leaf or a constant takes a value of its own shape and dtype', () => {
  const x = leaf([1, 2]);
  x.assign(float64([3, 4]));
  expect(x.value.toArray()).toEqual([3, 4]);
  x.square().sum().backward();
  expect(x.grad!.value.toArray()).toEqual([6, 8]);

  const c = variable(tensor([1, 2], { dtype: 'int32' }));
  c.assign(tensor([3, 4], { dtype: 'int32' }));
  expect(c.value.toArray()).toEqual([3, 4]);
});

test('what does not fit is refused, and changes nothing', () => {
  const x = leaf([1, 2]);
  expect(() => x.assign(float64([1, 2, 3]))).toThrow(errors.ShapeError);
  expect(() => x.assign(float64(1))).toThrow('assign: the new value is [], the variable [2]');
  expect(() => x.assign(tensor([1, 2]))).toThrow(errors.DTypeError);
  expect(() => x.assign(tensor([1, 2]))).toThrow('assign: the new value is float32, the variable float64');
  expect(() => x.square().assign(float64([1, 2]))).toThrow(GradientError);
  for (const value of [leaf([3, 4]), [3, 4], 3, undefined]) {
    expect(() => x.assign(value as never)).toThrow(errors.DataError);
  }
  expect(() => x.assign(leaf([3, 4]) as never)).toThrow('found a Variable; did you mean x.value?');
  expect(x.value.toArray()).toEqual([1, 2]);
});

describe('a tape made before', () => {
  test('gives the gradients at the values that it was made with', () => {
    const [x, c] = [leaf(2), variable(float64(10))];
    const y = x.mul(x).mul(c);
    x.assign(float64(5));
    c.assign(float64(-1));
    y.backward();
    expect(x.grad!.item()).toBe(40);
    expect(gradientsOf(y, [x])[0]!.item()).toBe(40);
  });

  test('gives its second derivatives there too', () => {
    const x = leaf(2);
    const y = x.pow(3);
    x.assign(float64(100));
    const [first] = gradientsOf(y, [x], { createGraph: true });
    x.assign(float64(-7));
    const [second] = gradientsOf(first!, [x], { createGraph: true });
    expect([first!.item(), second!.item()]).toEqual([12, 12]);
    expect(gradientsOf(second!, [x])[0]!.item()).toBe(6);
  });

  test('that spans a change has the gradients of both its halves', () => {
    const x = leaf(2);
    const before = x.square();
    x.assign(float64(5));
    before.add(x.square()).backward();
    expect(x.grad!.item()).toBe(2 * 2 + 2 * 5);
  });
});
