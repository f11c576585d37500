// Transforms: against PyTorch's numbers, against each other for every primitive, and nested in one another.

import { readFileSync } from 'node:fs';
import { errors, PRIMITIVES, Rng, randn, type Tensor, tensor, zeros } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  functionalCall,
  GradientError,
  grad,
  gradientsOf,
  graphOf,
  hessian,
  hvp,
  jacobian,
  jvp,
  losses,
  ModuleError,
  nn,
  noGrad,
  type Variable,
  valueAndGrad,
  variable,
  vjp,
} from '../src/index.ts';
import { rules } from '../src/rules/index.ts';
import { cases } from './cases.ts';
import { leaf } from './derivatives.ts';
import { draws } from './draw.ts';

type Numbers = number | Numbers[];

const float64 = (x: Numbers): Tensor => tensor(x, { dtype: 'float64' });
const constant = (x: Numbers): Variable => variable(float64(x));
const total = (x: Tensor): number => x.sum().item() as number;

/** Equal but for the rounding of some operations, in a tree of arrays. */
function expectClose(found: unknown, expected: unknown, tolerance = 1e-13): void {
  if (Array.isArray(found) && Array.isArray(expected)) {
    expect(found).toHaveLength(expected.length);
    found.forEach((item, i) => {
      expectClose(item, expected[i], tolerance);
    });
    return;
  }
  const [a, b] = [found, expected] as [number, number];
  if (!(Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)))) expect(a).toBe(b);
}

/** The values in a tree of variables. */
const values = (tree: unknown): unknown =>
  Array.isArray(tree) ? tree.map(values) : (tree as Variable).value.toArray();

const fixture = JSON.parse(readFileSync(new URL('fixtures/functional.json', import.meta.url), 'utf8'));

describe('PyTorch finds the same', () => {
  const f = (x: Variable, w: Variable) => w.matmul(x).tanh().mul(x.square().neg().exp());
  const s = (x: Variable, w: Variable) => f(x, w).div(x.square().add(1)).pow(3).sum();
  const [x, w] = [constant(fixture.x), constant(fixture.w)];
  const [tx, tw] = [float64(fixture.tx), float64(fixture.tw)];
  const both = { argnums: [0, 1] } as const;

  test('Jacobian', () => {
    expectClose(values(jacobian(f, both)(x, w)), fixture.jacobian);
  });
  test('Hessian', () => {
    expectClose(values(hessian(s, both)(x, w)), fixture.hessian);
  });
  test('third derivatives', () => {
    expectClose(values(jacobian(hessian(s))(x, w)), fixture.third, 1e-12);
  });
  test('Jacobian times vector', () => {
    const [value, tangent] = jvp(f, [x, w], [tx, tw]);
    expectClose(values([value, tangent]), [fixture.value, fixture.jvp]);
  });
  test('vector times Jacobian', () => {
    const [value, pullBack] = vjp(f, x, w);
    expectClose(values([value, pullBack(float64(fixture.v))]), [fixture.value, fixture.vjp]);
  });
  test('Hessian times vector', () => {
    expectClose(values(hvp(s, [x, w], [tx, tw])), fixture.hvp);
  });

  test('Hessian times vector for all parameters of a model', () => {
    const model = new nn.Sequential(
      new nn.Linear(4, 5, { rng: new Rng(0), dtype: 'float64' }),
      new Tanh(),
      new nn.Linear(5, 3, { rng: new Rng(0), dtype: 'float64' }),
    );
    const names = [...model.namedParameters()].map(([name]) => name);
    const named = (list: Numbers[]) => Object.fromEntries(names.map((name, i) => [name, float64(list[i]!)]));
    const targets = tensor(fixture.targets, { dtype: 'int32' });
    const loss = (p: Record<string, Variable>) =>
      losses.crossEntropy(functionalCall(model, p, constant(fixture.inputs)), targets);
    const [product] = hvp(loss, [named(fixture.theta)], [named(fixture.along)]);
    expectClose(values(names.map((name) => product[name])), fixture.modelHvp);
  });
});

class Tanh extends nn.Module {
  override forward(x: Variable): Variable {
    return x.tanh();
  }
}

const differentiable = PRIMITIVES.filter((op) => rules[op] !== 'nondifferentiable');

// With J from the looped vjp: J t is the one product, v' J the other, and <v, J t> = <v' J, t>.
test.each(differentiable)('%s: jvp, vjp and jacobian say the same', (op) => {
  fc.assert(
    fc.property(draws, (d) => {
      const { f, inputs } = cases[op](d);
      const all = inputs.map((_, i) => i);
      const tangents = inputs.map((x) => d.normal(x.shape));
      const [y, tangent] = jvp(f, inputs, tangents);
      const [same, pullBack] = vjp(f, ...inputs);
      const v = d.normal(y.shape);
      const blocks = jacobian(f, { argnums: all })(...inputs);
      expect(y.value.toArray()).toEqual(same.value.toArray());
      expect([tangent.shape, tangent.dtype]).toEqual([y.shape, y.dtype]);

      const pulled = pullBack(v);
      let slope = zeros(y.shape, { dtype: 'float64' });
      let size = 1;
      blocks.forEach((block, i) => {
        const x = inputs[i]!;
        expect([block.shape, pulled[i]!.shape]).toEqual([[...y.shape, ...x.shape], x.shape]);
        const matrix = block.value.reshape([y.size, x.size]);
        slope = slope.add(matrix.matmul(tangents[i]!.reshape([x.size])).reshape(y.shape));
        const row = v.reshape([y.size]).matmul(matrix).reshape(x.shape);
        size += total(matrix.abs()) * (1 + total(tangents[i]!.abs())) * (1 + total(v.abs()));
        expect(total(row.sub(pulled[i]!.value).abs())).toBeLessThanOrEqual(8 * Number.EPSILON * size);
      });
      expect(total(slope.sub(tangent.value).abs())).toBeLessThanOrEqual(8 * Number.EPSILON * size);
      const left = total(tangent.value.mul(v));
      const right = inputs.reduce((sum, _, i) => sum + total(pulled[i]!.value.mul(tangents[i]!)), 0);
      expect(Math.abs(left - right)).toBeLessThanOrEqual(8 * Number.EPSILON * size);
    }),
    { numRuns: 6 },
  );
});

describe('nesting', () => {
  const cubes = (x: Variable) => x.pow(3).sum();

  test('gradients of gradients, to any order, exactly', () => {
    let f: (x: Variable) => Variable = (x) => x.pow(5);
    const found = [f(constant(3)).item()];
    for (let order = 1; order <= 6; order++) {
      f = grad(f);
      found.push(f(constant(3)).item());
    }
    expect(found).toEqual([243, 405, 540, 540, 360, 120, 0]);
  });

  test('jvp of grad is hvp; grad of a jvp and of an hvp follow', () => {
    const [x, t] = [constant([1, 2]), float64([10, 100])];
    expect(values(jvp(grad(cubes), [x], [t]))).toEqual([
      [3, 12],
      [60, 1200],
    ]);
    expect(values(hvp(cubes, [x], [t]))).toEqual([[60, 1200]]);
    // d/dx of sum(3 x^2 t) is 6 x t, and of sum(6 x t) it is 6 t.
    expect(values(grad((v: Variable) => jvp(cubes, [v], [t])[1])(x))).toEqual([60, 1200]);
    expect(values(grad((v: Variable) => hvp(cubes, [v], [t])[0]!.sum())(x))).toEqual([60, 600]);
    // And they are linear in the tangent.
    expect(values(grad((u: Variable) => jvp(cubes, [x], [u])[1])(t))).toEqual([3, 12]);
    expect(values(grad((u: Variable) => hvp(cubes, [x], [u])[0]!.sum())(t))).toEqual([6, 12]);
  });

  test('a pull-back is differentiable in its cotangent and in the primals', () => {
    const pulled = (x: Variable, v: Variable) => vjp((u: Variable) => u.square(), x)[1](v)[0]!.sum();
    const [gx, gv] = grad(pulled, { argnums: [0, 1] })(constant([1, 2]), constant([10, 100]));
    expect(values([gx, gv])).toEqual([
      [20, 200],
      [2, 4],
    ]);
  });

  test('the Jacobian of a Jacobian has the shape of the output and twice that of the input', () => {
    const f = (x: Variable) => x.slice(0).mul(x.slice(1)).square();
    const g = (x: Variable) => f(x).mul(constant([1, 10]));
    expect(jacobian(jacobian(g))(constant([1, 2])).value.toArray()).toEqual([
      [
        [8, 8],
        [8, 2],
      ],
      [
        [80, 80],
        [80, 20],
      ],
    ]);
    expect(values(hessian(g)(constant([1, 2])))).toEqual(values(jacobian(jacobian(g))(constant([1, 2]))));
    expect(hessian(f)(constant([1, 2])).shape).toEqual([2, 2]);
    expect(jacobian(hessian(f))(constant([1, 2])).shape).toEqual([2, 2, 2]);
  });

  test('the Hessian is symmetric', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const a = randn([4, 4], new Rng(seed), { dtype: 'float64' });
        const f = (x: Variable) => x.tanh().mul(x.matmul(a).softmax()).sum();
        const H = hessian(f)(randn([4], new Rng(seed + 1), { dtype: 'float64' })).value;
        expectClose(H.toArray(), H.transpose().toArray());
      }),
      { numRuns: 10 },
    );
  });

  test('an inner derivative does not take the outer variable for its own', () => {
    // d/dx [x d/dy (x + y)] = 1, and d/dx [x d/dy (x y)] = 2x.
    const sum = grad((x) => x.mul(grad((y) => x.add(y))(constant(1))));
    const product = grad((x) => x.mul(grad((y) => x.mul(y))(constant(1))));
    expect([sum(constant(2)).item(), product(constant(3)).item()]).toEqual([1, 6]);
    // The same variable twice is two arguments.
    const x = leaf(3);
    expect(values(grad((a, b) => a.square().mul(b), { argnums: [0, 1] })(x, x))).toEqual([18, 9]);
  });

  test('a function that is linear, constant, or reads values only has derivatives 0', () => {
    const x = constant([1, 2]);
    expect(values(hvp((v) => v.sum(), [x], [x]))).toEqual([[0, 0]]);
    expect(values(hessian((v) => v.sum())(x))).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(values(grad((_: Variable) => constant(7))(x))).toEqual([0, 0]);
    expect(values(jvp((v) => v.detach(), [x], [x])[1])).toEqual([0, 0]);
    expect(values(jvp((v) => v.gt(1), [x], [x])[1])).toEqual([false, false]);
    expect(values(vjp((v) => v.detach(), x)[1](x))).toEqual([[0, 0]]);
  });
});

describe('what results are', () => {
  const f = (x: Variable) => x.exp().sum();

  test('tensors, constants and leaves give the same; no grad is touched', () => {
    const x = leaf([1, 2]);
    const found = [grad(f)(x.value), grad(f)(x.detach()), grad(f)(x)].map(values);
    expect(found[1]).toEqual(found[0]);
    expect(found[2]).toEqual(found[0]);
    expect(x.grad).toBeNull();
  });

  test('constants, unless something outside can ask for more', () => {
    const [x, w] = [leaf([1, 2]), leaf([3, 4])];
    const off = [
      grad(f)(x.value),
      valueAndGrad(f)(x.detach())[0],
      jacobian((v) => v.exp())(x.value),
      hessian(f)(x.value),
      ...jvp(f, [x.value], [x.value]),
      ...hvp(f, [x.value], [x.value]),
      vjp(f, x.value)[0],
      ...vjp(f, x.value)[1](float64(1)),
      ...noGrad(() => [grad(f)(x), valueAndGrad(f)(x)[0], ...vjp(f, x)[1](leaf(1))]),
    ];
    for (const v of off) expect(v.requiresGrad).toBe(false);
    const on = [
      grad(f)(x),
      valueAndGrad(f)(x)[0],
      jacobian((v) => v.exp())(x),
      ...jvp(f, [x], [x.value]),
      ...hvp(f, [x], [x.value]),
      ...vjp(f, x)[1](float64(1)),
      ...vjp(f, x.value)[1](leaf(1)),
      // Not by the argument, but by what the function closes over.
      grad((v) => v.mul(w).sum())(x.value),
    ];
    for (const v of on) expect(v.requiresGrad).toBe(true);
    expect(gradientsOf(on.at(-1)!.sum(), [w])[0]!.value.toArray()).toEqual([1, 1]);
    expect(gradientsOf(grad(f)(x).sum(), [x])[0]!.value.toArray()).toEqual(noGrad(() => grad(f)(x)).value.toArray());
  });

  test('derivatives have the dtype and device of what they are by', () => {
    const x = tensor([1, 2], { device: 'reference' });
    const found = [grad(f)(x), jacobian(f)(x), hessian(f)(x), jvp(f, [x], [x])[1], hvp(f, [x], [x])[0]!];
    for (const v of found) expect([v.dtype, v.value.device]).toEqual(['float32', 'reference']);
  });

  test('empty arguments and outputs have empty derivatives', () => {
    const x = zeros([0, 2], { dtype: 'float64' });
    expect(grad((v) => v.sum())(x).shape).toEqual([0, 2]);
    expect(jacobian((v) => v.square())(x).shape).toEqual([0, 2, 0, 2]);
    expect(jacobian((v) => v.slice([0, 0]))(constant([1, 2, 3])).shape).toEqual([0, 3]);
    expect(hessian((v) => v.sum())(x).shape).toEqual([0, 2, 0, 2]);
    expect(jvp((v) => v.square(), [x], [x])[1].shape).toEqual([0, 2]);
  });
});

describe('trees', () => {
  const theta = {
    layers: [
      { w: constant([1, 2]), b: null },
      { w: constant([3]), b: constant(4) },
    ] as const,
    scale: constant(2),
  };
  const f = (p: typeof theta, x: Variable) =>
    p.layers[0].w.matmul(x).mul(p.layers[1].w.sum()).add(p.layers[1].b).mul(p.scale);

  test('gradients have the form of the argument', () => {
    const [value, g] = valueAndGrad(f)(theta, float64([10, 100]));
    expect(value.item()).toBe(2 * (210 * 3 + 4));
    expect(values([g.layers[0].w, g.layers[1].w, g.layers[1].b, g.scale])).toEqual([[60, 600], [420], 2, 634]);
    expect(g.layers[0].b).toBeNull();
    expect(Object.keys(g)).toEqual(['layers', 'scale']);
  });

  test('outputs may be trees; a Jacobian has the form of the output, with the form of the argument in each place', () => {
    const g = (p: { a: Variable; b: Variable }) => ({ sum: p.a.add(p.b), product: [p.a.mul(p.b)] as const });
    const at = { a: constant([1, 2]), b: constant([3, 4]) };
    const J = jacobian(g)(at);
    expect(values([J.sum.a, J.sum.b])).toEqual([
      [
        [1, 0],
        [0, 1],
      ],
      [
        [1, 0],
        [0, 1],
      ],
    ]);
    expect(values(J.product[0].a)).toEqual([
      [3, 0],
      [0, 4],
    ]);
    const [value, tangent] = jvp(g, [at], [{ a: float64([1, 0]), b: float64([0, 10]) }]);
    expect(values([value.sum, tangent.sum, tangent.product[0]])).toEqual([
      [4, 6],
      [1, 10],
      [3, 20],
    ]);
    const [, pullBack] = vjp(g, at);
    const [back] = pullBack({ sum: float64([1, 1]), product: [float64([1, 0])] });
    expect(values([back.a, back.b])).toEqual([
      [4, 1],
      [2, 1],
    ]);
  });

  test('an output may appear twice, or be an argument', () => {
    const [value, tangent] = jvp(
      (x: Variable) => {
        const y = x.square();
        return [y, y, x] as const;
      },
      [constant(3)],
      [float64(1)],
    );
    expect(values([...value, ...tangent])).toEqual([9, 9, 3, 6, 6, 1]);
  });

  test('arguments that nothing is differentiated by may be anything', () => {
    const f = (power: number, x: Variable, { shift }: { shift: number }) => x.pow(power).add(shift).sum();
    expect(values(grad(f, { argnums: 1 })(3, float64([1, 2]), { shift: 5 }))).toEqual([3, 12]);
  });
});

describe('functionalCall', () => {
  const model = new nn.MLP([3, 4, 2], { rng: new Rng(0), dtype: 'float64' });
  const theta = Object.fromEntries(model.namedParameters());
  const x = variable(randn([5, 3], new Rng(1), { dtype: 'float64' }));
  const y = tensor([0, 1, 1, 0, 1], { dtype: 'int32' });
  const loss = (p: Record<string, Variable>) => losses.crossEntropy(functionalCall(model, p, x), y);

  test('runs the model with other parameters, and leaves it as it was', () => {
    const before = model.forward(x).value.toArray();
    const halved = Object.fromEntries(Object.entries(theta).map(([name, p]) => [name, p.value.mul(0.5)]));
    const other = new nn.MLP([3, 4, 2], { rng: new Rng(9), dtype: 'float64' });
    other.parameters().forEach((p, i) => {
      p.assign(Object.values(halved)[i]!);
    });
    expect(functionalCall(model, halved, x).value.toArray()).toEqual(other.forward(x).value.toArray());
    expect(model.forward(x).value.toArray()).toEqual(before);
    expect(() => functionalCall(model, theta, variable(zeros([1, 7])))).toThrow(ModuleError);
    expect(model.forward(x).value.toArray()).toEqual(before);
  });

  test('gives the gradients that backward gives', () => {
    model.zeroGrad();
    losses.crossEntropy(model.forward(x), y).backward();
    const g = noGrad(() => grad(loss)(theta));
    for (const [name, p] of Object.entries(theta)) {
      expect(g[name]!.value.toArray()).toEqual(p.grad!.value.toArray());
      expect(g[name]!.requiresGrad).toBe(false);
    }
    model.zeroGrad();
  });

  test('reads everything of a parameter from its replacement: values, detached copies, gradients', () => {
    class Odd extends nn.Module {
      readonly p = leaf(2);
      override forward(v: Variable): Variable {
        const scale = this.p.value.item() as number;
        const inner = gradientsOf(this.p.square(), [this.p], { createGraph: true })[0]!;
        return v.mul(this.p.detach()).mul(scale).mul(inner);
      }
    }
    const odd = new Odd();
    // v * p * p * 2p, where only the last p is on the tape.
    const f = (p: Variable) => functionalCall(odd, { p }, constant(10));
    expect([f(leaf(3)).item(), grad(f)(constant(3)).item()]).toEqual([540, 180]);
  });

  test('nests: the innermost replacement counts, and reads as what it stands for outside', () => {
    const layer = new nn.Linear(1, 1, { rng: new Rng(0), bias: false, dtype: 'float64' });
    const one = constant([[1]]);
    const f = (p: Variable) =>
      functionalCall(
        new (class extends nn.Module {
          readonly layer = layer;
          override forward(v: Variable): Variable {
            const inner = functionalCall(layer, { weight: layer.weight.mul(10) }, v);
            return inner.add(functionalCall(layer, { weight: layer.weight }, v));
          }
        })(),
        { 'layer.weight': p },
        one,
      );
    expect(f(constant([[3]])).value.toArray()).toEqual([[33]]);
    expect(grad((p) => f(p).sum())(constant([[3]])).value.toArray()).toEqual([[11]]);
  });

  test('takes buffers too, and has the module assign to those that it was given', () => {
    class Counter extends nn.Module {
      readonly seen = new nn.Buffer(float64(1));
      override forward(v: Variable): Variable {
        this.seen.assign(this.seen.value.add(10));
        return v.mul(this.seen);
      }
    }
    const counter = new Counter();
    const given = constant(100);
    expect(functionalCall(counter, { seen: given }, constant(2)).item()).toBe(220);
    expect([given.item(), counter.seen.item()]).toEqual([110, 1]);
    expect(functionalCall(counter, { seen: float64(0) }, constant(2)).item()).toBe(20);
    expect(counter.seen.item()).toBe(1);
    const named = graphOf(counter.forward(leaf(2)), { model: counter }).nodes;
    expect(named.map(({ kind, name }) => [kind, name])).toEqual([
      ['leaf', null],
      ['buffer', 'seen'],
      ['step', 'mul'],
    ]);
  });

  test('may swap two parameters', () => {
    class Pair extends nn.Module {
      readonly a = leaf(2);
      readonly b = leaf(10);
      override forward(v: Variable): Variable {
        this.b.assign(this.b.value.add(1));
        return v.mul(this.a).sub(this.b);
      }
    }
    const pair = new Pair();
    // a reads as 10, b as 2 and then as 3; that is the pair's a.
    expect(functionalCall(pair, { a: pair.b, b: pair.a }, constant(5)).item()).toBe(47);
    expect([pair.a.item(), pair.b.item()]).toEqual([3, 10]);
  });

  test('refuses names and values that do not fit', () => {
    expect(() => functionalCall(model, { weight: x }, x)).toThrow(ModuleError);
    expect(() => functionalCall(model, { weight: x }, x)).toThrow(
      'functionalCall: no parameter or buffer is named weight; there are',
    );
    const [name, p] = Object.entries(theta)[0]!;
    expect(() => functionalCall(model, { [name]: p.value.transpose() }, x)).toThrow(errors.ShapeError);
    expect(() => functionalCall(model, { [name]: p.value.cast('float32') }, x)).toThrow(errors.DTypeError);
    for (const given of [3, [1, 2], undefined, null]) {
      expect(() => functionalCall(model, { [name]: given as never }, x)).toThrow(errors.DataError);
    }
    for (const given of [undefined, null, 3, model.parameters(), model.namedParameters(), new Map([[name, p]])]) {
      expect(() => functionalCall(model, given as never, x)).toThrow(ModuleError);
      expect(() => functionalCall(model, given as never, x)).toThrow(
        'did you mean Object.fromEntries(model.namedParameters())?',
      );
    }
  });
});

describe('errors', () => {
  const x = constant([1, 2]);

  test('a gradient is of one number', () => {
    expect(() => grad((v) => v.square())(x)).toThrow(GradientError);
    expect(() => grad((v) => v.square())(x)).toThrow(
      'grad: the function must return one number, found [2]; did you mean jacobian, or .sum()?',
    );
    expect(() => hvp((v) => v, [x], [x])).toThrow('hvp: the function must return one number, found [2]');
    // @ts-expect-error: the compiler says so first.
    expect(() => grad((v) => v.value.sum())(x)).toThrow('found no single variable');
  });

  test('of an argument that is there, and holds floats', () => {
    expect(() => grad((v) => v.sum(), { argnums: 1 })(x)).toThrow(
      'grad: there is no argument 1 to differentiate by; it was called with 1',
    );
    expect(() => jacobian((v) => v.sum(), { argnums: [0, -1] })(x)).toThrow('there is no argument -1');
    const whole = tensor([1, 2], { dtype: 'int32' });
    expect(() => grad((v) => v.sum())(whole)).toThrow('grad: argument 0 is int32, and only floats have gradients');
    const tree = { a: [x.value, whole] };
    expect(() => grad((p: { a: Variable[] }) => p.a[0]!.sum())(tree)).toThrow('grad: argument 0 at a.1 is int32');
  });

  test('a tree holds nothing but variables', () => {
    const f = (p: { a: Variable; b: number }) => p.a.sum();
    expect(() => grad(f)({ a: x, b: 3 })).toThrow(GradientError);
    expect(() => grad(f)({ a: x, b: 3 })).toThrow('grad: argument 0 at b is number 3, where variables, tensors,');
    const model = new nn.Linear(1, 1, { rng: new Rng(0) });
    expect(() => grad((m: nn.Linear) => m.forward(x))(model)).toThrow('grad: argument 0 is a Linear');
  });

  test('tangents and cotangents fit', () => {
    expect(() => jvp((v) => v.sum(), [x], [constant([1, 2, 3])])).toThrow(errors.ShapeError);
    expect(() => jvp((v) => v.sum(), [x], [constant(1)])).toThrow('jvp: the tangents at 0 is [], where [2] is wanted');
    // @ts-expect-error: the compiler says so first.
    expect(() => jvp((v: Variable) => v.sum(), [x], [])).toThrow('jvp: the tangents wants the leaves 0, found none');
    expect(() => vjp((v) => v.square(), x)[1](float64(1))).toThrow('vjp: the cotangent is [], where [2] is wanted');
    // @ts-expect-error: the compiler says so first.
    expect(() => hvp((v: Variable) => v.sum(), [x], [x, x])).toThrow(
      'hvp: the tangents wants the leaves 0, found 0, 1',
    );
  });

  test('a function that goes on after it has returned is refused', () => {
    // @ts-expect-error: the compiler says so first.
    expect(() => grad(async (v) => v.sum())(x)).toThrow(GradientError);
  });
});
