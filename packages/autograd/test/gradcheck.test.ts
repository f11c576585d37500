// The checker checked: it passes what is right, and fails what is wrong at the order at which it is wrong.

import { Rng, randn, type Tensor, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { GradcheckError, GradientError, gradcheck, type Variable } from '../src/index.ts';

const float64 = (value: number | number[]) => tensor(value, { dtype: 'float64' });

function failure(f: (...xs: Variable[]) => Variable, inputs: readonly Tensor[], order?: number): GradcheckError {
  try {
    gradcheck(f, inputs, order === undefined ? {} : { order });
  } catch (error) {
    if (error instanceof GradcheckError) return error;
  }
  throw new Error('gradcheck passed');
}

describe('passes', () => {
  test('what is right, and says how close it is', () => {
    const x = randn([2, 3], new Rng(1), { dtype: 'float64' });
    const worst = gradcheck((a, b) => a!.mul(b!).exp(), [x, x.add(0.5)], { order: 3 });
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThan(1e-7);
  });

  test('functions that are constant, linear or empty', () => {
    expect(gradcheck((x) => x!.mul(0).detach(), [float64([1, 2])])).toBe(0);
    expect(gradcheck((x) => x!.mul(3), [float64([1, 2])], { order: 3 })).toBeLessThan(1e-10);
    expect(gradcheck((x) => x!.exp(), [float64([])])).toBe(0);
  });

  test('functions of several inputs of which some are not used', () => {
    expect(gradcheck((a) => a!.square(), [float64([1, 2]), float64(3)])).toBeLessThan(1e-9);
  });
});

describe('fails', () => {
  test('a wrong gradient at order 1, with both numbers', () => {
    // x^2 + 2x, where the tape does not see the second term.
    const error = failure((x) => x!.square().add(x!.detach().mul(2)), [float64(3)]);
    const { order, analytic, numeric } = error.fields as Record<string, number>;
    expect(order).toBe(1);
    expect(numeric! / analytic!).toBeCloseTo(8 / 6, 8);
    expect(error.message).toContain(`order 1: backward says ${analytic}, finite differences say ${numeric}`);
  });

  test('a wrong second derivative behind a right first one, at order 2', () => {
    // x x' - x'^2 / 2 with x' = x: the value is x^2 / 2, the gradient x; but x' is a constant of the tape.
    const f = (x: Variable) => x.mul(x.detach()).sub(x.detach().square().div(2));
    expect(gradcheck((x) => f(x!), [float64([1, -2])], { order: 1 })).toBeLessThan(1e-9);
    expect(failure((x) => f(x!), [float64([1, -2])]).fields).toMatchObject({ order: 2, analytic: 0 });
  });

  test('one wrong element among many', () => {
    const once = float64(Array.from({ length: 1000 }, (_, i) => (i === 617 ? 1 : 0)));
    const x = randn([1000], new Rng(2), { dtype: 'float64' });
    expect(failure((v) => v!.sin().add(v!.detach().mul(once).mul(1e-3)), [x]).fields.order).toBe(1);
  });

  test('a gradient that is not a number', () => {
    // At 0 the root of x^2 has slopes -1 and 1; the tape says 0 * inf.
    expect(failure((x) => x!.square().sqrt(), [float64(0)], 1).fields.analytic).toBeNaN();
  });
});

describe('refuses', () => {
  test('anything but float64', () => {
    expect(() => gradcheck((x) => x!, [tensor([1, 2])])).toThrow(GradientError);
    expect(() => gradcheck((x) => x!, [float64(1), tensor([1, 2])])).toThrow('needs float64 inputs, found float32');
  });

  test('to check nothing', () => {
    expect(() => gradcheck(() => float64(1) as never, [])).toThrow('at least one input');
  });
});
