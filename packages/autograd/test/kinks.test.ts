// Where a derivative does not exist a value is chosen, and stays chosen: the table of ARCHITECTURE.md, one test for each line.

import { tensor, where } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gradcheck, gradientsOf, type Variable, variable } from '../src/index.ts';
import { derivatives, gradient, hessian, leaf } from './derivatives.ts';

test("relu'(0) = 0, from either zero, and no 0 * inf behind it", () => {
  expect(derivatives((x) => x.relu(), 0, 2)).toEqual([0, 0, 0]);
  expect(derivatives((x) => x.relu(), -0, 1)).toEqual([0, 0]);
  expect(derivatives((x) => x.relu(), 5e-324, 1)).toEqual([5e-324, 1]);
  expect(gradient((x) => x.relu().sqrt().sum(), [-1, 0, 4])).toEqual([0, 0, 0.25]);
});

test("abs'(0) = 0", () => {
  expect(derivatives((x) => x.abs(), 0, 2)).toEqual([0, 0, 0]);
  expect(gradient((x) => x.abs().sum(), [-2, 0, 3])).toEqual([-1, 0, 1]);
});

describe('ties', () => {
  test('of max and min share equally among the tied elements', () => {
    expect(gradient((x) => x.max(), [5, 2, 5, 5, -5])).toEqual([1 / 3, 0, 1 / 3, 1 / 3, 0]);
    expect(gradient((x) => x.min(), [-5, 2, -5])).toEqual([0.5, 0, 0.5]);
    expect(
      gradient(
        (x) =>
          x
            .max(1)
            .mul(tensor([1, 10]))
            .sum(),
        [
          [3, 3, 1],
          [2, 4, 4],
        ],
      ),
    ).toEqual([
      [0.5, 0.5, 0],
      [0, 5, 5],
    ]);
  });

  test('over several axes are counted over all of them', () => {
    expect(
      gradient(
        (x) => x.max(),
        [
          [7, 0],
          [7, 7],
        ],
      ),
    ).toEqual([
      [1 / 3, 0],
      [1 / 3, 1 / 3],
    ]);
  });

  test('of maximum and minimum give each side half', () => {
    for (const op of ['maximum', 'minimum'] as const) {
      const [a, b] = [leaf([1, 2, 3]), leaf([3, 2, 1])];
      const [ga, gb] = gradientsOf(a[op](b).sum(), [a, b]).map((g) => g.value.toArray());
      expect(ga).toEqual(op === 'maximum' ? [0, 0.5, 1] : [1, 0.5, 0]);
      expect(gb).toEqual(op === 'maximum' ? [1, 0.5, 0] : [0, 0.5, 1]);
    }
    expect(derivatives((x) => x.maximum(0), 0, 2)).toEqual([0, 0.5, 0]);
    expect(derivatives((x) => x.maximum(x), 3, 2)).toEqual([3, 1, 0]);
  });

  test('leave second derivatives on both sides', () => {
    // max(x^2, x^2) = x^2
    expect(derivatives((x) => x.square().maximum(x.square()), 3, 3)).toEqual([9, 6, 2, 0]);
  });
});

test('prod is exact to order 3 however many elements are 0', () => {
  const product = (xs: number[], skip: number[]) => xs.reduce((p, x, i) => (skip.includes(i) ? p : p * x), 1);
  const elements = fc.array(fc.constantFrom(0, 0, 1, 2, -3), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(elements, (xs) => {
      // + 0 makes -0 and 0 one.
      const plain = (rows: number[][]) => rows.map((row) => row.map((v) => v + 0));
      const first = gradient((x) => x.prod(), xs) as number[];
      expect(plain([first])[0]).toEqual(xs.map((_, i) => product(xs, [i]) + 0));
      const second = xs.map((_, i) => xs.map((_, j) => (i === j ? 0 : product(xs, [i, j]) + 0)));
      expect(plain(hessian((x) => x.prod(), xs))).toEqual(second);
      // A third derivative is the Hessian of one partial derivative.
      const partial = (x: Variable) => gradientsOf(x.prod(), [x], { createGraph: true })[0]!.slice(0);
      const third = xs.map((_, i) =>
        xs.map((_, j) => (i === j || i === 0 || j === 0 ? 0 : product(xs, [0, i, j]) + 0)),
      );
      if (xs.length > 2) expect(plain(hessian(partial, xs))).toEqual(third);
    }),
    { numRuns: 20 },
  );
  expect(gradient((x) => x.prod(), [2, 0, 3])).toEqual([0, 6, 0]);
  expect(hessian((x) => x.prod(), [0, 0, 3])[0]).toEqual([0, 3, 0]);
});

test('cumprod is as exact as prod, of which it holds every prefix', () => {
  const elements = fc.array(fc.constantFrom(0, 0, 1, 2, -3), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(elements, fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 6, maxLength: 6 }), (xs, weights) => {
      const byPrefix = (x: Variable) =>
        xs
          .map((_, k) =>
            x
              .slice([0, k + 1])
              .prod()
              .mul(weights[k]!),
          )
          .reduce((a, b) => a.add(b));
      const running = (x: Variable) =>
        x
          .cumprod(0)
          .mul(tensor(weights.slice(0, xs.length)))
          .sum();
      const plain = (rows: number[][]) => rows.map((row) => row.map((v) => v + 0));
      const [found, expected] = [running, byPrefix].map((f) => [gradient(f, xs) as number[], ...hessian(f, xs)]);
      expect(plain(found!)).toEqual(plain(expected!));
      // A third derivative is the Hessian of one partial derivative.
      const third = (f: typeof running) =>
        hessian((x: Variable) => gradientsOf(f(x), [x], { createGraph: true })[0]!.slice(xs.length - 1), xs);
      if (xs.length > 2) expect(plain(third(running))).toEqual(plain(third(byPrefix)));
    }),
    { numRuns: 15 },
  );
});

describe('norm', () => {
  const orders = [0, 0.5, 1, 1.5, 2, 3, 4, Infinity, -Infinity, -1];

  test.each(orders)('of order %d has derivatives 0 where it is 0', (ord) => {
    // Added to something, because order 0 counts, and a count is off the tape.
    const f = (x: Variable) => x.norm(ord).add(x.sum().mul(0));
    const found = [gradient(f, [0, -0]) as number[], ...hessian(f, [0, -0])];
    expect(found.flat().map((v) => v + 0)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test.each(orders)('of order %d agrees with finite differences, over each axis', (ord) => {
    const x = tensor(
      [
        [1.5, -2, 0.7],
        [-0.9, 3.1, 2.2],
      ],
      { dtype: 'float64' },
    );
    expect(gradcheck((v) => v!.norm(ord, 1), [x])).toBeLessThan(1e-7);
    expect(gradcheck((v) => v!.norm(ord, [1, 0], { keepDims: true }), [x])).toBeLessThan(1e-7);
  });

  test('x / |x| at any size, also beside zeros', () => {
    const unit = [0.6, 0, -0.8];
    for (const scale of [1, 2 ** 700, 2 ** -700]) {
      const found = gradient((x) => x.norm(), [3 * scale, 0, -4 * scale]) as number[];
      found.forEach((v, i) => {
        expect(Math.abs(v - unit[i]!)).toBeLessThanOrEqual(2 * Number.EPSILON * Math.abs(unit[i]!));
      });
    }
    // |x|'' = (1 - u u') / |x|, exact where an element is 0.
    expect(
      hessian((x) => x.norm(), [0, 0, 4])
        .flat()
        .map((v) => v + 0),
    ).toEqual([0.25, 0, 0, 0, 0.25, 0, 0, 0, 0]);
    expect(gradient((x) => x.norm(1.5), [0, 4])).toEqual([0, 1]);
    expect(gradient((x) => x.norm(-1), [0, 4])).toEqual([0, 0]);
  });

  test('of the extreme orders the tied elements share', () => {
    expect(gradient((x) => x.norm(Infinity), [3, -3, 1])).toEqual([0.5, -0.5, 0]);
    expect(gradient((x) => x.norm(-Infinity), [-1, 1, 5])).toEqual([-0.5, 0.5, 0]);
  });
});

test('std has derivative 0 where all elements are equal', () => {
  expect(
    gradient(
      (x) => x.std(1).sum(),
      [
        [2, 2, 2],
        [1, 2, 3],
      ],
    ),
  ).toEqual([
    [0, 0, 0],
    [-0.5, 0, 0.5],
  ]);
});

test("sqrt'(0) = inf", () => {
  expect(derivatives((x) => x.sqrt(), 0, 2)).toEqual([0, Infinity, -Infinity]);
});

test('at the origin atan2 and hypot have derivative 0, elsewhere that of any scale', () => {
  const both = (op: 'atan2' | 'hypot', y: number, x: number) => {
    const [a, b] = [leaf(y), leaf(x)];
    return gradientsOf(a[op](b), [a, b]).map((g) => (g.item() as number) + 0);
  };
  expect([both('atan2', 0, 0), both('hypot', 0, 0)]).toEqual([
    [0, 0],
    [0, 0],
  ]);
  expect(both('hypot', 3e300, 4e300)).toEqual([0.6, 0.8]);
  expect(both('hypot', -3e-320, 0)).toEqual([-1, 0]);
  expect(both('atan2', 2 ** 600, 0)).toEqual([0, -(2 ** -600)]);
  expect(derivatives((x) => x.hypot(0), 0, 2)).toEqual([0, 0, 0]);
});

describe('pow', () => {
  test('x^0 is 1 with derivative 0 everywhere, to every order', () => {
    for (const x of [0, -0, 1, -2, 1e-300, 1e300, Infinity, Number.NaN]) {
      expect(derivatives((v) => v.pow(0), x, 3)).toEqual([1, 0, 0, 0]);
    }
    expect(gradient((x) => x.pow(tensor([0, 1, 2, 0])).sum(), [0, 0, 0, 5])).toEqual([0, 1, 0, 0]);
  });

  test.each([1, 2, 3])('x^%d is a polynomial, also at 0 and below', (n) => {
    for (const x of [0, -2, 3]) {
      const falling = (k: number) => Array.from({ length: k }, (_, i) => n - i).reduce((p, f) => p * f, 1);
      const expected = [0, 1, 2, 3, 4].map((k) => (k > n ? 0 : falling(k) * x ** (n - k)));
      expect(derivatives((v) => v.pow(n), x, 4).map((d) => d + 0)).toEqual(expected);
    }
  });

  test('x^0.5 is sqrt at 0, and x^-1 keeps its signs below 0', () => {
    expect(derivatives((x) => x.pow(0.5), 0, 2)).toEqual([0, Infinity, -Infinity]);
    expect(derivatives((x) => x.pow(-1), -2, 3)).toEqual([-0.5, -0.25, -0.25, -0.375]);
  });

  test('x^y by y is x^y log x: 0 at x = 0 for y >= 0, -inf below, and NaN for x < 0', () => {
    const byExponent = (x: number, y: number) =>
      derivatives((v) => variable(tensor(x, { dtype: 'float64' })).pow(v), y, 1)[1];
    expect(byExponent(2, 3)).toBeCloseTo(8 * Math.log(2), 14);
    expect([2, 1, 0.5, 0].map((y) => byExponent(0, y))).toEqual([0, 0, 0, 0]);
    expect(byExponent(0, -1)).toBe(-Infinity);
    expect(byExponent(-2, 3)).toBeNaN();
  });

  test('x^y by x, y a variable too, is y x^(y-1) at x = 0', () => {
    const byBase = (x: number, y: number) => derivatives((v) => v.pow(leaf(y)), x, 1)[1];
    expect([0, 0.5, 1, 2].map((y) => byBase(0, y))).toEqual([0, Infinity, 1, 0]);
  });

  test('the mixed derivative at y = 0 is 1/x, in whichever order it is taken', () => {
    const [x, y] = [leaf(4), leaf(0)];
    const [byX, byY] = gradientsOf(x.pow(y), [x, y], { createGraph: true });
    expect(gradientsOf(byX!, [y])[0]!.item()).toBe(0.25);
    expect(gradientsOf(byY!, [x])[0]!.item()).toBe(0.25);
  });
});

test('clamp passes the gradient on the closed interval', () => {
  const at = (low?: number, high?: number) => gradient((x) => x.clamp(low, high).sum(), [-2, -1, 0, 1, 2]);
  expect(at(-1, 1)).toEqual([0, 1, 1, 1, 0]);
  expect(at(-1)).toEqual([0, 1, 1, 1, 1]);
  expect(at(undefined, 1)).toEqual([1, 1, 1, 1, 0]);
  expect(at(0, 0)).toEqual([0, 0, 1, 0, 0]);
  expect(derivatives((x) => x.square().clamp(0, 4), 2, 2)).toEqual([4, 4, 2]);
});

test.each(['sign', 'floor', 'ceil', 'round', 'trunc'] as const)('%s has derivative 0, at its steps too', (op) => {
  const x = leaf([-1.5, -1, 0, 0.5, 2]);
  x[op]().sum().backward();
  expect(x.grad?.value.toArray()).toEqual([0, 0, 0, 0, 0]);
});

test("mod's derivative by the divisor is the true quotient, where the rounded one is the next integer", () => {
  // 0.1 is a little more than a tenth: it goes 9 times into 1, and 1 / 0.1 rounds to 10.
  const divisor = leaf(0.1);
  gradientsOf(variable(tensor(1, { dtype: 'float64' })).mod(divisor), [divisor]).forEach((g) => {
    expect(g.item()).toBe(-9);
  });
});

describe('where', () => {
  test('gives the side not chosen 0, whatever the gradient', () => {
    const [a, b] = [leaf([1, 2, 3]), leaf([4, 5, 6])];
    const y = where<Variable>(tensor([true, false, true]), a, b);
    const seed = tensor([Infinity, Number.NaN, 1]);
    const [ga, gb] = gradientsOf(y, [a, b], { seed }).map((g) => g.value.toArray());
    expect(ga).toEqual([Infinity, 0, 1]);
    expect(gb).toEqual([0, Number.NaN, 0]);
  });

  test('inside and outside of a function keeps its bad points out of value and gradient', () => {
    const root = (x: Variable) => {
      const good = x.gt(0);
      return where<Variable>(good, where<Variable>(good, x, 1).sqrt(), 0).sum();
    };
    expect(gradient(root, [-1, 0, 4])).toEqual([0, 0, 0.25]);
  });
});

describe('sorting', () => {
  const weights = tensor([1, 10, 100, 1000], { dtype: 'float64' });

  test('sends each gradient back to where its element stood, of equal ones the first to the first', () => {
    expect(gradient((x) => x.sort().mul(weights).sum(), [3, 1, 3, 2])).toEqual([100, 1, 1000, 10]);
    const descending = { descending: true };
    expect(gradient((x) => x.sort(0, descending).mul(weights).sum(), [3, 1, 3, 2])).toEqual([1, 1000, 10, 100]);
    expect(
      gradient(
        (x) =>
          x
            .topk(2)
            .values.mul(tensor([5, 7]))
            .sum(),
        [4, 9, 1, 6],
      ),
    ).toEqual([0, 5, 0, 7]);
    expect(leaf([2, 1]).topk(1).indices.requiresGrad).toBe(false);
  });

  test('of a quantile goes to its neighbours by their weights', () => {
    expect(gradient((x) => x.quantile(0.25), [9, 1, 5])).toEqual([0, 0.5, 0.5]);
    expect(gradient((x) => x.quantile(0.5), [9, 1, 5])).toEqual([0, 0, 1]);
    expect(gradient((x) => x.median(), [4, 1, 2, 8])).toEqual([0.5, 0, 0.5, 0]);
    const ties = gradient((x) => x.quantile(0.3), [2, 2, 2]) as number[];
    expect(ties.reduce((a, b) => a + b)).toBeCloseTo(1, 15);
    const x = tensor(
      [
        [0.3, 2, -1, 0.9],
        [4, 0, 1, 2],
      ],
      { dtype: 'float64' },
    );
    expect(gradcheck((v) => v!.quantile([0.1, 0.6], 1).square(), [x])).toBeLessThan(1e-7);
    expect(gradcheck((v) => v!.sort(0).mul(v!).cumsum(1), [x])).toBeLessThan(1e-7);
  });
});

describe('repeated indices', () => {
  test('of gather add their gradients', () => {
    const index = tensor([2, 0, 2, 2], { dtype: 'int32' });
    expect(
      gradient(
        (x) =>
          x
            .gather(0, index)
            .mul(tensor([1, 10, 100, 1000]))
            .sum(),
        [7, 8, 9],
      ),
    ).toEqual([10, 0, 1101]);
  });

  test('of scatter: the update that stays gets the gradient, those overwritten and the base there get 0', () => {
    const [base, updates] = [leaf([1, 2, 3]), leaf([5, 6, 7])];
    const y = base.scatter(0, tensor([1, 1, 2], { dtype: 'int32' }), updates);
    expect(y.value.toArray()).toEqual([1, 6, 7]);
    const [gBase, gUpdates] = gradientsOf(y, [base, updates], { seed: tensor([10, Infinity, 30]) });
    expect(gBase!.value.toArray()).toEqual([10, 0, 0]);
    expect(gUpdates!.value.toArray()).toEqual([0, Infinity, 30]);
  });

  test('of scatterAdd all get the gradient', () => {
    const [base, updates] = [leaf([1, 2, 3]), leaf([5, 6, 7])];
    const y = base.scatterAdd(0, tensor([1, 1, 2], { dtype: 'int32' }), updates);
    expect(y.value.toArray()).toEqual([1, 13, 10]);
    const [gBase, gUpdates] = gradientsOf(y, [base, updates], { seed: tensor([10, 20, 30]) });
    expect(gBase!.value.toArray()).toEqual([10, 20, 30]);
    expect(gUpdates!.value.toArray()).toEqual([20, 20, 30]);
  });
});
