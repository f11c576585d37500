// Functions with a derivative of their own.

import { errors, type Tensor, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import {
  BackwardError,
  checkpoint,
  customGradient,
  GradientError,
  grad,
  gradcheck,
  gradientsOf,
  hessian,
  noGrad,
  type Variable,
  variable,
} from '../src/index.ts';
import { derivatives, leaf } from './derivatives.ts';

const float64 = (x: number | number[]): Tensor => tensor(x, { dtype: 'float64' });

/** log(1 + exp(x)) without overflow; its derivative is sigmoid(x). */
const softplus = customGradient<[Tensor]>({
  name: 'softplus',
  forward: (x) => x.relu().add(x.abs().neg().exp().log1p()),
  backward: (g, { inputs: [x] }) => [g.mul(x.sigmoid())],
});

/** x^y on positive x, with what its derivative knows of the result. */
const power = customGradient<[Tensor, Tensor]>({
  name: 'power',
  forward: (x, y) => x.pow(y),
  backward: (g, { inputs: [x, y], out }) => [g.mul(y).mul(out).div(x), g.mul(out).mul(x.log())],
});

test('values are those of forward, derivatives those of backward, to any order', () => {
  const x = leaf([-800, 0, 800]);
  const y = softplus(x);
  expect(y.value.toArray()).toEqual([0, Math.LN2, 800]);
  expect(gradientsOf(y.sum(), [x])[0]!.value.toArray()).toEqual([0, 0.5, 1]);

  expect(gradcheck((v) => softplus(v!).mul(v!), [float64([-1, 0.5, 2])], { order: 3 })).toBeLessThan(1e-7);
  expect(gradcheck((a, b) => power(a!, b!), [float64([0.5, 2]), float64([3, -1])], { order: 3 })).toBeLessThan(1e-7);
  // x^4: 81, 108, 108, 72, 24
  derivatives((v) => power(v, float64(4)), 3, 4).forEach((d, i) => {
    expect(d).toBeCloseTo([81, 108, 108, 72, 24][i]!, 10);
  });
});

test('backward is free to say anything', () => {
  const round = customGradient<[Tensor]>({ forward: (x) => x.round(), backward: (g) => [g] });
  const reverse = customGradient<[Tensor]>({ forward: (x) => x, backward: (g) => [g.mul(-10)] });
  const x = leaf([0.4, 1.6]);
  const y = reverse(round(x));
  expect(y.value.toArray()).toEqual([0, 2]);
  expect(gradientsOf(y.sum(), [x])[0]!.value.toArray()).toEqual([-10, -10]);
});

test('an input without a gradient gets none; tensors are constants; the same variable twice gets both', () => {
  const first = customGradient<[Tensor, Tensor]>({
    forward: (a, b) => a.mul(b),
    backward: (g, { inputs: [, b] }) => [g.mul(b), null],
  });
  const [a, b] = [leaf(2), leaf(3)];
  first(a, b).backward();
  expect([a.grad!.item(), b.grad]).toEqual([3, null]);
  expect(gradientsOf(first(a, float64(7)), [a])[0]!.item()).toBe(7);
  expect(first(float64(1), float64(2)).requiresGrad).toBe(false);
  expect(gradientsOf(power(a, a), [a])[0]!.item()).toBeCloseTo(4 * (1 + Math.log(2)), 12);
});

test('off the tape it is a constant', () => {
  expect(noGrad(() => softplus(leaf(1))).requiresGrad).toBe(false);
  const whole = customGradient<[Tensor]>({ forward: (x) => x.cast('int32'), backward: (g) => [g] });
  expect(whole(leaf(1)).requiresGrad).toBe(false);
});

test('gradients come in the dtype of their inputs, and at the values that a leaf had', () => {
  const x = variable(tensor([1, 2]), { requiresGrad: true });
  const y = power(x, float64([2, 2]));
  x.assign(tensor([100, 100]));
  const [g] = gradientsOf(y.sum(), [x]);
  expect([g!.dtype, g!.value.toArray()]).toEqual(['float32', [2, 4]]);
});

test('works under transforms and in checkpoints', () => {
  const f = (x: Variable) => softplus(x).square().sum();
  const found = hessian((x) => checkpoint(f, x))(float64([1, -1])).value.toArray();
  expect(found).toEqual(hessian(f)(float64([1, -1])).value.toArray());
  expect(grad(f)(float64([0])).value.toArray()).toEqual([Math.LN2]);
});

describe('what backward returns is checked', () => {
  const make = (backward: (g: Variable) => Variable[]) =>
    customGradient<[Tensor]>({ name: 'odd', forward: (x) => x.square(), backward });

  test('one gradient for each input', () => {
    const y = make((g) => [g, g])(leaf([1, 2])).sum();
    expect(() => y.backward()).toThrow(BackwardError);
    expect(() => y.backward()).toThrow(
      'backward of odd [2] -> [2]; under detectAnomaly this names the line that called it: ' +
        'odd: backward returned 2 gradients for 1 inputs; give null where there is none',
    );
  });

  test('in an array, and made of variables', () => {
    const returning = (pulled: (g: Variable) => unknown) => () => {
      const x = leaf([1, 2]);
      const y = make(pulled as never)(x).sum();
      expect(() => y.backward()).toThrow(BackwardError);
      expect(x.grad).toBeNull();
      y.backward();
    };
    expect(returning((g) => g)).toThrow(
      'odd: backward returned a Variable; give the gradients of the inputs in an array',
    );
    expect(returning(() => undefined)).toThrow('odd: backward returned undefined; give');
    expect(returning(() => [undefined])).toThrow(
      'odd: backward returned undefined for input 0; give a variable, made by',
    );
    expect(returning((g) => [g.value])).toThrow('odd: backward returned a Tensor for input 0');
    expect(returning(() => [2])).toThrow('odd: backward returned number 2 for input 0');
  });

  test('as are inputs, and what forward returns', () => {
    const through = customGradient<[Tensor]>({ name: 'odd', forward: (x) => x, backward: (g) => [g] });
    expect(() => through([1, 2] as never)).toThrow(errors.DataError);
    expect(() => through([1, 2] as never)).toThrow('odd: input 0 must be a variable or a tensor, found an array of 2');
    for (const out of [leaf(1), 3, undefined]) {
      const made = customGradient<[Tensor]>({ name: 'odd', forward: () => out as never, backward: (g) => [g] });
      expect(() => made(leaf(1))).toThrow('odd: what forward returns must be a tensor, found ');
    }
  });

  test('of its shape', () => {
    const y = make((g) => [g.sum()])(leaf([1, 2])).sum();
    expect(() => y.backward()).toThrow('odd: backward returned [] for input 0, which is [2]');
    try {
      y.backward();
    } catch (error) {
      expect((error as BackwardError).cause).toBeInstanceOf(errors.ShapeError);
      expect(error).toBeInstanceOf(GradientError);
    }
  });
});
