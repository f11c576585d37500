// Derivatives of derivatives against their closed forms.

import { type Shape, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { gradientsOf, type Variable } from '../src/index.ts';
import { derivatives, hessian, leaf } from './derivatives.ts';

/** Equal but for the rounding of a few operations. */
function expectClose(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length);
  found.forEach((value, i) => {
    expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(
      16 * Number.EPSILON * Math.max(1, Math.abs(expected[i]!)),
    );
  });
}

test('x^5 to order 6, by pow and by products, exactly', () => {
  const expected = [243, 405, 540, 540, 360, 120, 0];
  expect(derivatives((x) => x.pow(5), 3, 6)).toEqual(expected);
  expect(derivatives((x) => x.mul(x).mul(x).mul(x).mul(x), 3, 6)).toEqual(expected);
});

test('exp is its own derivative of every order', () => {
  const e = Math.exp(0.7);
  expectClose(
    derivatives((x) => x.exp(), 0.7, 4),
    [e, e, e, e, e],
  );
  expectClose(
    derivatives((x) => x.expm1(), 0.7, 3),
    [e - 1, e, e, e],
  );
});

test("expm1' keeps its digits where 1 + expm1 has lost them", () => {
  expect(derivatives((x) => x.expm1(), -40, 1)[1]).toBe(Math.exp(-40));
});

test('tanh and sigmoid to order 3', () => {
  const t = Math.tanh(0.3);
  const s2 = 1 - t * t;
  expectClose(
    derivatives((x) => x.tanh(), 0.3, 3),
    [t, s2, -2 * t * s2, s2 * (6 * t * t - 2)],
  );
  const s = 1 / (1 + Math.exp(-0.3));
  const p = s * (1 - s);
  expectClose(
    derivatives((x) => x.sigmoid(), 0.3, 3),
    [s, p, p * (1 - 2 * s), p * (1 - 6 * p)],
  );
});

test('sin and cos come round after four derivatives', () => {
  const [s, c] = [Math.sin(1), Math.cos(1)];
  expectClose(
    derivatives((x) => x.sin(), 1, 4),
    [s, c, -s, -c, s],
  );
});

describe('softmax', () => {
  const at = [0.5, -1, 2];
  const total = at.reduce((sum, x) => sum + Math.exp(x), 0);
  const p = at.map((x) => Math.exp(x) / total);
  const delta = (i: number, j: number) => (i === j ? 1 : 0);

  test('the Hessian of p_i is p_i [(d_ij - p_j)(d_ik - p_k) - p_j (d_jk - p_k)]', () => {
    at.forEach((_, i) => {
      const expected = at.map((_, j) =>
        at.map((_, k) => p[i]! * ((delta(i, j) - p[j]!) * (delta(i, k) - p[k]!) - p[j]! * (delta(j, k) - p[k]!))),
      );
      expectClose(hessian((x) => x.softmax().slice(i), at).flat(), expected.flat());
    });
  });

  test('the Hessian of logSumExp, and of each -logSoftmax, is diag(p) - p p', () => {
    const expected = at.flatMap((_, j) => at.map((_, k) => delta(j, k) * p[j]! - p[j]! * p[k]!));
    expectClose(hessian((x) => x.logSumExp(), at).flat(), expected);
    expectClose(hessian((x) => x.logSoftmax().slice(1).neg(), at).flat(), expected);
  });
});

test('the Hessian of the Rosenbrock function, exactly', () => {
  const rosenbrock = (v: Variable) => {
    const [x, y] = [v.slice(0), v.slice(1)];
    return x.neg().add(1).square().add(y.sub(x.square()).square().mul(100));
  };
  // 2 - 400 (y - 3 x^2), -400 x; -400 x, 200
  expect(hessian(rosenbrock, [-1, 2])).toEqual([
    [402, 400],
    [400, 200],
  ]);
});

test('the Hessian of x A x is A + A, through matmul', () => {
  const a = tensor(
    [
      [1, 2],
      [3, 4],
    ],
    { dtype: 'float64' },
  );
  expect(hessian((x) => x.matmul(a).matmul(x), [5, 6])).toEqual([
    [2, 5],
    [5, 8],
  ]);
});

test('a penalty on a gradient trains through it: the gradient of |grad x^3|^2 is 36 x^3', () => {
  const x = leaf([1, 2]);
  x.pow(3).sum().backward(undefined, { createGraph: true });
  const penalty = x.grad!.square().sum();
  x.grad = null;
  penalty.backward();
  expect(x.grad!.value.toArray()).toEqual([36, 288]);
});

test('gradients are on the tape with createGraph, and off it without', () => {
  const x = leaf(2);
  const y = x.pow(3);
  const [on] = gradientsOf(y, [x], { createGraph: true });
  const [off] = gradientsOf(y, [x]);
  expect([on!.requiresGrad, off!.requiresGrad]).toEqual([true, false]);
  expect([on!.node === null, off!.node === null]).toEqual([false, true]);
});

test('empty tensors have empty derivatives of every order', () => {
  const x = leaf(tensor([], { dtype: 'float64' }).reshape([0, 3] satisfies Shape));
  const [g] = gradientsOf(x.exp().sum(), [x], { createGraph: true });
  expect(gradientsOf(g!.sum(), [x])[0]!.shape).toEqual([0, 3]);
});
