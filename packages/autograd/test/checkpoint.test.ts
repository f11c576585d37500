// Checkpointed segments: the plain run's numbers, bit for bit, without its memory.

import { concat, keep, Rng, type RngState, rand, randn, scope, type Tensor, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BackwardError,
  checkpoint,
  functionalCall,
  GradientError,
  grad,
  gradientsOf,
  hessian,
  hvp,
  jvp,
  losses,
  nn,
  noGrad,
  type Variable,
  variable,
} from '../src/index.ts';
import { cases } from './cases.ts';
import { leaf } from './derivatives.ts';
import { draws } from './draw.ts';

const float64 = (x: number | number[]): Tensor => tensor(x, { dtype: 'float64' });

/** Runs a segment as it is. */
const plainly = <A extends readonly unknown[]>(fn: (...inputs: A) => Variable, ...inputs: A): Variable => fn(...inputs);

/** Equal but for the rounding of sums, in a tree of arrays. */
function expectClose(found: unknown, expected: unknown, size: number): void {
  if (Array.isArray(found)) {
    found.forEach((item, i) => {
      expectClose(item, (expected as unknown[])[i], size);
    });
  } else expect(Math.abs((found as number) - (expected as number))).toBeLessThanOrEqual(size);
}

test('values and gradients are those of the plain run bit for bit, derivatives to order 3 but for rounding', () => {
  const ops = [
    'mul',
    'exp',
    'tanh',
    'div',
    'matmul',
    'linear',
    'sum',
    'max',
    'concat',
    'gather',
    'scatter',
    'pow',
    'cumsum',
  ] as const;
  fc.assert(
    fc.property(draws, fc.constantFrom(...ops), (d, op) => {
      const { f, inputs } = cases[op](d);
      const [plain, saving] = [plainly, checkpoint].map((run) => {
        const xs = inputs.map((x) => variable(x, { requiresGrad: true }));
        let y: Variable = run(f, ...xs);
        const results = [[y]];
        for (let order = 1; order <= 3 && y.requiresGrad; order++) {
          const gradients = gradientsOf(y.square().sum(), xs, { createGraph: true });
          results.push(gradients);
          y = concat<Variable>(gradients.map((g) => g.reshape([-1])));
        }
        return results.map((level) => level.map((v) => v.value));
      });
      expect(saving!.length).toBe(plain!.length);
      saving!.forEach((level, order) => {
        level.forEach((found, i) => {
          const expected = plain![order]![i]!;
          if (order <= 1) expect(found.toArray()).toEqual(expected.toArray());
          const size = plain![order]!.reduce((sum, v) => sum + (v.abs().sum().item() as number), 1);
          expectClose(found.toArray(), expected.toArray(), 64 * Number.EPSILON * size);
        });
      });
    }),
    { numRuns: 60 },
  );
});

class Residual extends nn.Module {
  readonly inner: nn.Module;
  readonly run: typeof plainly;
  constructor(inner: nn.Module, run: typeof plainly) {
    super();
    this.inner = inner;
    this.run = run;
  }
  override forward(x: Variable): Variable {
    return this.run((v: Variable) => this.inner.forward(v), x).add(x);
  }
}

describe('a model of checkpointed blocks', () => {
  const build = (run: typeof plainly) =>
    new nn.Sequential(
      ...Array.from(
        { length: 4 },
        (_, i) => new Residual(new nn.MLP([5, 7, 5], { rng: new Rng(i), dtype: 'float64' }), run),
      ),
    );
  const x = variable(randn([6, 5], new Rng(9), { dtype: 'float64' }));
  const y = tensor([0, 1, 2, 3, 4, 0], { dtype: 'int32' });
  const [plain, saving] = [build(plainly), build(checkpoint)];

  test('trains as the plain one does', () => {
    const gradients = [plain, saving].map((model) => {
      losses.crossEntropy(model.forward(x), y).backward();
      return model.parameters().map((p) => p.grad!.value.toArray());
    });
    expect(gradients[1]).toEqual(gradients[0]);
    expect(saving.parameters().every((p) => p.grad!.requiresGrad === false)).toBe(true);
  });

  test('holds the parameters that functionalCall gave it at what they were, also swapped', () => {
    class Pair extends nn.Module {
      readonly a = leaf([1, 2]);
      readonly b = leaf([3, 4]);
      readonly run: typeof checkpoint = checkpoint;
      override forward(v: Variable): Variable {
        return this.run((u: Variable) => u.mul(this.a).tanh().mul(this.b), v);
      }
    }
    const given = () => ({ a: leaf([0.5, 0.25]), b: leaf([2, 3]) });
    const swapped = ({ a, b }: Pair) => ({ a: b, b: a });
    for (const choose of [given, swapped, ({ a }: Pair) => ({ a: leaf([1, 5]), b: a })]) {
      const gradients = [plainly as typeof checkpoint, checkpoint].map((run) => {
        const pair = Object.assign(new Pair(), { run });
        const theta = choose(pair);
        const y = functionalCall(pair, theta, variable(float64([1, 1])));
        for (const p of [theta.a, theta.b]) p.assign(float64([9, 9]));
        return gradientsOf(y.sum(), [theta.a, theta.b]).map((g) => g.value.toArray());
      });
      expect(gradients[1]).toEqual(gradients[0]);
    }
  });

  test('has the same Hessian products, through functionalCall', () => {
    const products = [plain, saving].map((model) => {
      const theta = Object.fromEntries(model.namedParameters());
      const along = Object.fromEntries(Object.entries(theta).map(([name, p]) => [name, p.value.mul(0.5)]));
      const [product] = hvp((p: typeof theta) => losses.crossEntropy(functionalCall(model, p, x), y), [theta], [along]);
      return Object.values(product).map((v) => v.value.toArray());
    });
    expectClose(products[1], products[0], 1e-15);
  });

  test('keeps the ends of the segments only', () => {
    const steps = (v: Variable): number => {
      const seen = new Set<Variable>();
      const stack = [v];
      for (let next = stack.pop(); next; next = stack.pop()) {
        if (next.node === null || seen.has(next)) continue;
        seen.add(next);
        stack.push(...next.node.inputs);
      }
      return seen.size;
    };
    // A block is a checkpoint and an addition.
    expect([steps(saving.forward(x)), steps(plain.forward(x)) > 8]).toEqual([8, true]);
  });
});

test('what is made inside is handed back at once, in both runs', () => {
  const inside: Variable[] = [];
  const x = leaf([1, 2]);
  const y = checkpoint((v: Variable) => {
    inside.push(v.exp());
    return inside.at(-1)!.square();
  }, x);
  expect(inside[0]!.value.storage.released).toBe(true);
  y.sum().backward();
  expect(inside.map((v) => v.value.storage.released)).toEqual([true, true]);
  expect(x.grad!.value.toArray()).toEqual(
    [1, 2].map((v) => Math.exp(v) * Math.exp(v) * 2).map((v) => expect.closeTo(v, 10)),
  );
  expect(y.value.storage.released).toBe(false);
});

test('what is kept inside stays, and a checkpoint survives the scope that it is returned from', () => {
  const kept: Tensor[] = [];
  const x = leaf([1, 2]);
  const y = scope(() => {
    const z = x.mul(3);
    return checkpoint((v: Variable) => {
      kept.push(keep(v.value.add(1)));
      return v.square().mul(z);
    }, z).sum();
  });
  y.backward();
  expect(kept.map((t) => t.toArray())).toEqual([
    [4, 7],
    [4, 7],
  ]);
  // (3x)^3
  expect(x.grad!.value.toArray()).toEqual([81, 324]);
});

describe('what enters a segment', () => {
  test('is found, whether it is an argument or closed over, a leaf or computed', () => {
    const [x, w, unused] = [leaf(2), leaf(3), leaf(5)];
    const [u, v] = [x.square(), w.exp().log().mul(x)];
    const y = checkpoint((a: Variable) => {
      unused.exp();
      return a.mul(u).mul(v).add(w);
    }, u);
    expect(new Set(y.node!.inputs)).toEqual(new Set([u, v, w]));
    y.backward();
    // y = x^4 w x + w
    expect([x.grad!.item(), w.grad!.item(), unused.grad]).toEqual([
      expect.closeTo(240, 10),
      expect.closeTo(33, 10),
      null,
    ]);
  });

  test('counts once for itself where one input is computed from another', () => {
    const x = leaf(2);
    const z = x.square();
    // y = x z = x^3, of which both are inputs.
    const y = checkpoint((a: Variable, b: Variable) => a.mul(b), x, z);
    expect(gradientsOf(y, [x, z]).map((g) => g.item())).toEqual([12, 2]);
    const [first] = gradientsOf(y, [x], { createGraph: true });
    expect(gradientsOf(first!, [x])[0]!.item()).toBe(12);
  });

  test('holds the value that it held, in the second run too', () => {
    const [x, w] = [leaf(2), leaf(3)];
    const y = checkpoint((v: Variable) => v.mul(w).mul(w.value), x);
    x.assign(float64(100));
    w.assign(float64(-1));
    const [gx, gw] = gradientsOf(y, [x, w], { createGraph: true });
    expect([gx!.item(), gw!.item()]).toEqual([9, 6]);
    expect(gradientsOf(gw!, [x])[0]!.item()).toBe(3);
    expect([x.value.item(), w.value.item()]).toEqual([100, -1]);
  });

  test('is a hook away from nothing: hooks outside are called once', () => {
    const x = leaf(2);
    const z = x.square();
    const seen: unknown[] = [];
    z.registerHook((g) => {
      seen.push(g.item());
    });
    checkpoint((v: Variable) => v.square(), z).backward();
    expect([seen, x.grad!.item()]).toEqual([[8], 32]);
  });
});

describe('the second run', () => {
  const noisy = (x: Variable, rng: Rng) => x.mul(rand(x.shape, rng, { dtype: 'float64' })).square();

  test('draws the same if its generator is an argument, which afterwards stands where the plain run leaves it', () => {
    const results = [plainly, checkpoint].map((run) => {
      const [x, rng] = [leaf([1, 2, 3]), new Rng(7)];
      const y = run(noisy, x, rng);
      const drawn: RngState[] = [rng.state];
      const next = rng.uint32s(3);
      y.sum().backward();
      drawn.push(rng.state);
      return [y.value.toArray(), x.grad!.value.toArray(), [...next], drawn];
    });
    expect(results[1]).toEqual(results[0]);
  });

  test('draws the same from an argument that the function knows otherwise', () => {
    const [x, rng] = [leaf([1, 2, 3]), new Rng(7)];
    const y = checkpoint((v: Variable, _: Rng) => noisy(v, rng), x, rng);
    expect(() => y.sum().backward()).not.toThrow();
  });

  test('drops the same, where the generator of a dropout is an argument', () => {
    const rng = new Rng(5);
    const block = new nn.Sequential(new nn.Linear(3, 8, { rng, dtype: 'float64' }), new nn.Dropout(0.5, { rng }));
    const before = rng.state;
    const gradients = [plainly, checkpoint].map((run) => {
      rng.restore(before);
      const x = leaf([[1, 2, 3]]);
      run((v: Variable, _: Rng) => block.forward(v), x, rng)
        .square()
        .sum()
        .backward();
      return x.grad!.value.toArray();
    });
    expect(gradients[1]).toEqual(gradients[0]);
    const careless = checkpoint((v: Variable) => block.forward(v), leaf([[1, 2, 3]]));
    expect(() => careless.sum().backward()).toThrow('if it draws, pass the generator');
  });

  test('that gives other values is an error', () => {
    const [x, rng] = [leaf([1, 2, 3]), new Rng(7)];
    const y = checkpoint((v: Variable) => noisy(v, rng), x).sum();
    expect(() => y.backward()).toThrow(BackwardError);
    expect(() => y.backward()).toThrow('checkpoint: run again, the function gave other values; if it draws, pass');
    expect(x.grad).toBeNull();
  });

  test('puts the generator back even if it fails', () => {
    const [x, rng] = [leaf(1), new Rng(7)];
    let runs = 0;
    const y = checkpoint(
      (v: Variable, r: Rng) => {
        r.uint32s(5);
        if (runs++ > 0) throw new RangeError('mine');
        return v.square();
      },
      x,
      rng,
    );
    const before = rng.state;
    expect(() => y.backward()).toThrow('mine');
    expect(rng.state).toEqual(before);
  });

  test('may give NaN where the first did', () => {
    const x = leaf([-1, 4]);
    checkpoint((v: Variable) => v.log(), x)
      .sum()
      .backward();
    expect(x.grad!.value.toArray()).toEqual([-1, 0.25]);
  });
});

test('checkpoints nest, in each other and in transforms', () => {
  const f = (x: Variable) => x.square().mul(x.exp()).sum();
  const nested = (x: Variable) => checkpoint((v: Variable) => checkpoint(f, v.mul(2)).mul(v.sum()), x);
  const flat = (x: Variable) => f(x.mul(2)).mul(x.sum());
  const at = float64([0.5, -1]);
  const t = float64([1, 3]);
  const all = [nested, flat].map((h) => [
    grad(h)(at).value.toArray(),
    hessian(h)(at).value.toArray(),
    jvp(h, [at], [t])[1].item(),
    hvp(h, [at], [t])[0]!.value.toArray(),
  ]);
  expect(all[0]).toEqual(all[1]);
  // And transforms in checkpoints.
  const slope = (x: Variable) => checkpoint((v: Variable) => grad(flat)(v).square().sum(), x);
  expect(grad(slope)(at).value.toArray()).toEqual(grad((v) => grad(flat)(v).square().sum())(at).value.toArray());
});

test('off the tape, and for what does not depend on the tape, it is the plain call', () => {
  const x = leaf(2);
  expect(noGrad(() => checkpoint((v: Variable) => v.square(), x)).requiresGrad).toBe(false);
  expect(checkpoint((v: Variable) => v.square(), x.detach()).node).toBeNull();
  expect(checkpoint((v: Variable) => v, x)).toBe(x);
  expect(() => checkpoint((async (v: Variable) => v) as unknown as (v: Variable) => Variable, x)).toThrow(
    GradientError,
  );
  expect(() =>
    checkpoint((_: Variable): Variable => {
      throw new RangeError('mine');
    }, x),
  ).toThrow(RangeError);
  expect(x.square().requiresGrad).toBe(true);
});

test('a function that returns anything but one variable is refused', () => {
  const x = leaf([1, 2]);
  const returning = (result: (v: Variable) => unknown) => () => checkpoint(result as (v: Variable) => Variable, x);
  for (const result of [(v: Variable) => [v, v.exp()], (v: Variable) => v.value, () => undefined, () => 3]) {
    expect(returning(result)).toThrow(GradientError);
  }
  expect(returning((v) => [v, v.exp()])).toThrow(
    'checkpoint: the function must return one variable, found an array of 2',
  );
});

test('a chain of 2,000 segments needs no deep stack', () => {
  const x = leaf(1);
  let y: Variable = x;
  for (let i = 0; i < 2000; i++) y = checkpoint((v: Variable) => v.neg().neg(), y);
  y.backward();
  expect(x.grad!.item()).toBe(1);
});
