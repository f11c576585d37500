// Every rule of the derivative table against finite differences, to order 2, in float64: random shapes (empty axes among
// them), views, broadcasting and batches. What is checked is h(f(x)) with h(y) = y + y^2/2, so that the gradient that
// reaches the rule depends on x, and the second derivative passes through the rule's own ops.
//
// Tolerance: with a stencil of h = 3e-4 the truncation h^4/30 f^(5) is about 3e-16 f^(5), and the rounding eps |f| / h about
// 1e-12 |f|. The cases' fifth derivatives stay below 1e6 and their values below 1e3: so 1e-8 beside a derivative of 1.

import { PRIMITIVES, type Tensor, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gradcheck, gradientsOf, type Variable, variable } from '../src/index.ts';
import { rules } from '../src/rules/index.ts';
import { cases, multilinear } from './cases.ts';
import { draws } from './draw.ts';

const discrete = PRIMITIVES.filter((op) => rules[op] === 'nondifferentiable');
const differentiable = PRIMITIVES.filter((op) => rules[op] !== 'nondifferentiable');

const leaf = (x: Tensor): Variable => variable(x, { requiresGrad: true });
const inner = (a: Tensor, b: Tensor): number => a.mul(b).sum().item() as number;

/** The gradients of <y, seed> at the inputs. */
function pullBack(
  f: (...xs: Variable[]) => Variable,
  inputs: readonly Tensor[],
  seed: (y: Tensor) => Tensor,
): Tensor[] {
  const xs = inputs.map(leaf);
  const y = f(...xs);
  return gradientsOf(y, xs, { seed: seed(y.value) }).map((g) => g.value);
}

function tapeOf(v: Variable, ops = new Set<string>()): Set<string> {
  if (v.node === null) return ops;
  ops.add(v.node.op);
  for (const input of v.node.inputs) tapeOf(input, ops);
  return ops;
}

test('every primitive has a rule and a case here', () => {
  expect(Object.keys(cases).sort()).toEqual([...PRIMITIVES].sort());
  expect(Object.keys(rules).sort()).toEqual([...PRIMITIVES].sort());
});

describe.each(differentiable)('%s', (op) => {
  test('agrees with finite differences to order 2', () => {
    let used = 0;
    fc.assert(
      fc.property(draws, (d) => {
        const { f, inputs } = cases[op](d);
        const y = f(...inputs.map(leaf));
        if (tapeOf(y).has(op)) used++;
        gradcheck(
          (...xs) =>
            f(...xs).add(
              f(...xs)
                .square()
                .mul(0.5),
            ),
          inputs,
          { rng: d.rng, directions: 1 },
        );
      }),
      { numRuns: 12 },
    );
    // A case may reduce to nothing now and then (an expand to the same shape), but not as a rule.
    expect(used).toBeGreaterThan(4);
  });

  test('its gradients have the shapes of the inputs, and are linear in the gradient that comes in', () => {
    fc.assert(
      fc.property(draws, (d) => {
        const { f, inputs } = cases[op](d);
        const [u, v] = [0, 1].map(() => d.normal(f(...inputs.map(leaf)).shape)) as [Tensor, Tensor];
        const [atU, atV, at] = [u, v, u.mul(2).sub(v.mul(3))].map((seed) => pullBack(f, inputs, () => seed));
        inputs.forEach((x, i) => {
          expect(at![i]!.shape).toEqual(x.shape);
          expect(at![i]!.dtype).toBe('float64');
          // Each side is rounded a handful of times, and sums at most 2 * 27 terms.
          const size = atU![i]!.abs().mul(2).add(atV![i]!.abs().mul(3)).sum().item() as number;
          const difference = at![i]!.sub(atU![i]!.mul(2).sub(atV![i]!.mul(3)));
          expect(difference.abs().sum().item()).toBeLessThanOrEqual(100 * Number.EPSILON * (1 + size));
        });
      }),
      { numRuns: 6 },
    );
  });

  test('gives the same gradients on the reference device', () => {
    fc.assert(
      fc.property(draws, (d) => {
        const { f, inputs } = cases[op](d);
        const here = pullBack(f, inputs, (y) => y);
        const there = pullBack(
          f,
          inputs.map((x) => x.to('reference')),
          (y) => y,
        );
        here.forEach((g, i) => {
          expect(there[i]!.device).toBe('reference');
          const close = g.sub(there[i]!.to('cpu')).abs().le(g.abs().add(1).mul(1e-13));
          expect(close.all().item()).toBe(true);
        });
      }),
      { numRuns: 4 },
    );
  });
});

// For f linear in x: <f(x + dx) - f(x), y> = <dx, f'(x)' y>. On small integers both sides are exact.
test.each(multilinear)('%s is the exact adjoint of its rule in each input', (op) => {
  fc.assert(
    fc.property(draws, (d) => {
      const made = cases[op](d);
      const inputs = made.inputs.map((x) => d.integers(-3, 3, x.shape));
      const value = (xs: readonly Tensor[]) => made.f(...xs.map((x) => variable(x))).value;
      const y = d.integers(-3, 3, value(inputs).shape);
      const pulled = pullBack(made.f, inputs, () => y);
      inputs.forEach((x, i) => {
        const dx = d.integers(-3, 3, x.shape);
        const moved = value(inputs.with(i, x.add(dx))).sub(value(inputs));
        expect(inner(moved, y)).toBe(inner(dx, pulled[i]!));
      });
    }),
    { numRuns: 20 },
  );
});

describe.each(discrete)('%s', (op) => {
  test('gives a constant', () => {
    fc.assert(
      fc.property(draws, (d) => {
        const { f, inputs } = cases[op](d);
        const y = f(...inputs.map(leaf));
        expect(y.requiresGrad).toBe(false);
        expect(y.node).toBeNull();
        expect(['bool', 'int32']).toContain(y.dtype);
      }),
      { numRuns: 6 },
    );
  });
});

test('a cast to another float and back carries the gradient in the dtype of each side', () => {
  const x = leaf(tensor([1, 2], { dtype: 'float64' }));
  const y = x.cast('float32').mul(3);
  const [gx, gy] = gradientsOf(y.sum(), [x, y]);
  expect([gx!.dtype, gy!.dtype]).toEqual(['float64', 'float32']);
  expect(gx!.value.toArray()).toEqual([3, 3]);
});

test('a cast to integers cuts the tape', () => {
  expect(leaf(tensor([1.5])).cast('int32').requiresGrad).toBe(false);
  expect(() =>
    leaf(tensor([1.5]))
      .cast('int32')
      .sum()
      .backward(),
  ).toThrow(/nothing behind this variable/);
});
