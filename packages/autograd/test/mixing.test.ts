// Variables beside Tensors and numbers, on any device.

import { concat, errors, Rng, stack, tensor, where } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { gradientsOf, nn, type Variable, variable } from '../src/index.ts';
import { leaf } from './derivatives.ts';

const float64 = (value: number | number[]) => tensor(value, { dtype: 'float64' });

describe('tensors and numbers are constants', () => {
  test('of binary ops', () => {
    const x = leaf([1, 2]);
    const y = x
      .mul(float64([10, 100]))
      .add(1)
      .sub(variable(float64([1, 1])));
    expect(y).toBeInstanceOf(x.constructor);
    expect(y.value.toArray()).toEqual([10, 200]);
    expect(gradientsOf(y.sum(), [x])[0]!.value.toArray()).toEqual([10, 100]);
  });

  test('of matmul', () => {
    const x = leaf([1, 2]);
    expect(gradientsOf(x.matmul(float64([3, 4])), [x])[0]!.value.toArray()).toEqual([3, 4]);
  });

  test('of where, on either side and with either kind of condition', () => {
    const x = leaf([1, 2]);
    const mask = tensor([true, false]);
    expect(gradientsOf(where<Variable>(mask, x, 0).sum(), [x])[0]!.value.toArray()).toEqual([1, 0]);
    expect(gradientsOf(where<Variable>(variable(mask), float64([7, 7]), x).sum(), [x])[0]!.value.toArray()).toEqual([
      0, 1,
    ]);
  });

  test('of concat and stack, wherever the variable stands', () => {
    const x = leaf([1, 2]);
    const t = float64([8, 9]);
    const joined = concat<Variable>([t, x, t]);
    expect(joined.value.toArray()).toEqual([8, 9, 1, 2, 8, 9]);
    expect(gradientsOf(joined.square().sum(), [x])[0]!.value.toArray()).toEqual([2, 4]);
    const stacked = stack<Variable>([t, x], 1);
    expect(stacked.value.toArray()).toEqual([
      [8, 1],
      [9, 2],
    ]);
    expect(gradientsOf(stacked.square().sum(), [x])[0]!.value.toArray()).toEqual([2, 4]);
  });

  test('and their dtypes meet as those of tensors do, the gradient coming back in its own', () => {
    const x = variable(tensor([1, 2]), { requiresGrad: true });
    const y = x.mul(float64([3, 4]));
    expect(y.dtype).toBe('float64');
    expect(gradientsOf(y.sum(), [x])[0]!.dtype).toBe('float32');
  });
});

test('a tensor does not take a variable: it could not say where the gradient goes', () => {
  const x = leaf([1, 2]);
  // @ts-expect-error: the compiler says so first.
  expect(() => x.value.add(x)).toThrow(errors.DataError);
});

test('operands on two devices are an error that says how to mend it', () => {
  const [here, there] = [leaf([1, 2]), leaf(tensor([1, 2], { dtype: 'float64', device: 'reference' }))];
  expect(() => here.add(there)).toThrow(errors.DeviceError);
  expect(() => here.add(there.value)).toThrow(".to('cpu')");
});

test('numbers and seeds go to the device of the variable, and gradients come from it', () => {
  const x = leaf(tensor([1, 2], { dtype: 'float64', device: 'reference' }));
  const y = x.square().mul(3).sum();
  y.backward();
  expect(x.grad!.value.device).toBe('reference');
  expect(x.grad!.value.toArray()).toEqual([6, 12]);
  const unreachable = leaf(tensor([1], { dtype: 'float64', device: 'reference' }));
  expect(gradientsOf(y, [unreachable])[0]!.value.device).toBe('reference');
});

test('a model runs on the device that its parameters are given', () => {
  const layer = new nn.Linear(2, 1, { rng: new Rng(0), dtype: 'float64' });
  for (const p of layer.parameters()) p.assign(p.value.to('reference'));
  layer.forward(leaf(tensor([[3, 4]], { dtype: 'float64', device: 'reference' }))).backward();
  expect(layer.weight.grad!.value.device).toBe('reference');
  expect(layer.weight.grad!.value.toArray()).toEqual([[3, 4]]);
});
