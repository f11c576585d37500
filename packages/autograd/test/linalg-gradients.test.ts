// Derivatives of linear algebra, all of it compositions, to order 2 against finite differences; and what is known in closed form:
// the gradient of log det is the inverse, that of det the cofactors, also where the matrix has no inverse.

import { einsum, Rng, randn, type Tensor, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { gradcheck, gradientsOf, type Variable, variable } from '../src/index.ts';

const rng = new Rng(12);
const random = (...shape: number[]): Tensor => randn(shape, rng, { dtype: 'float64' });
/** Far from singular: the finite differences must not come near a pole. */
const regular = (...batch: number[]): Tensor =>
  random(...batch, 3, 3).add(tensor([4, 0, 0, 0, -5, 0, 0, 0, 6], { shape: [3, 3], dtype: 'float64' }));
const definite = (...batch: number[]): Tensor => {
  const root = regular(...batch);
  return root.matmul(root.transpose()).div(9);
};

const made = (name: string, f: (...xs: Variable[]) => Variable, ...inputs: Tensor[]) => [name, f, inputs] as const;
const cases = [
  made('dot', (a, b) => a!.dot(b!), random(2, 3), random(2, 3, 2)),
  made('dot of vectors', (a, b) => a!.dot(b!), random(3), random(3)),
  made('outer', (a, b) => a!.outer(b!), random(3), random(2)),
  made('triu', (a) => a!.triu(1), random(2, 3, 4)),
  made('tril', (a) => a!.tril(-1), random(4, 3)),
  made('diagonal', (a) => a!.diagonal(-1, 2, 0), random(3, 2, 4)),
  made('diag of a vector', (a) => a!.diag(-2), random(3)),
  made('diag of a matrix', (a) => a!.diag(1), random(3, 4)),
  made('trace', (a) => a!.trace(1, -1, 0), random(3, 2, 4)),
  made('einsum, a product', (a, b) => einsum<Variable>('bij,kj->bki', a!, b!), random(2, 3, 2), random(4, 2)),
  made('einsum, diagonals', (a, b) => einsum<Variable>('iij,...j->i...', a!, b!), random(2, 2, 3), random(2, 3)),
  made(
    'einsum, three',
    (a, b, c) => einsum<Variable>('ai,bi,ci', a!, b!, c!),
    random(2, 3),
    random(1, 3),
    random(2, 3),
  ),
  made('einsum, broadcast', (a, b) => einsum<Variable>('ij,ij->j', a!, b!), random(1, 3), random(2, 3)),
  made('einsum, one', (a) => einsum<Variable>('...ii->...', a!), random(2, 3, 3)),
  made('cholesky', (a) => a!.add(a!.transpose()).cholesky(), definite(2)),
  made('cholesky of one', (a) => a!.cholesky(), definite()),
  made('solve', (a, b) => a!.solve(b!), regular(), random(3, 2)),
  made('solve, a vector for each of a batch', (a, b) => a!.solve(b!), regular(2), random(3)),
  made('solve, a batch on the right', (a, b) => a!.solve(b!), regular(), random(2, 3, 1)),
  made('triangularSolve', (a, b) => a!.triangularSolve(b!), regular(2), random(3, 2)),
  made('triangularSolve, upper', (a, b) => a!.triangularSolve(b!, { upper: true }), regular(), random(2, 3, 1)),
  made('triangularSolve, unit', (a, b) => a!.triangularSolve(b!, { unitDiagonal: true }), random(3, 3), random(3)),
  made('inv', (a) => a!.inv(), regular(2)),
  made('det', (a) => a!.det(), regular(2)),
];

test.each(cases)('%s: gradients to order 2', (_, f, inputs) => {
  // As in derivative-table.test.ts: the gradient that reaches f depends on x.
  const bent = (...xs: Variable[]) =>
    f(...xs).add(
      f(...xs)
        .square()
        .mul(0.1),
    );
  expect(gradcheck(bent, inputs, { rng: new Rng(5) })).toBeLessThan(1e-7);
});

const close = (a: Tensor, b: Tensor, slack = 1e-12) => expect(a.sub(b).abs().max().item()).toBeLessThanOrEqual(slack);
const gradientOf = (f: (x: Variable) => Variable, at: Tensor): Tensor => {
  const x = variable(at, { requiresGrad: true });
  return gradientsOf(f(x), [x])[0]!.value;
};

test('tensors beside variables are constants', () => {
  const [a, b] = [regular(), random(3)];
  const x = variable(b, { requiresGrad: true });
  const [g] = gradientsOf(einsum<Variable>('ij,j->', a, x).add(variable(a).solve(x).sum()), [x]);
  close(g!.value, a.sum(0).add(a.inv().sum(0)));
});

describe('closed forms', () => {
  test('the gradient of log det A is the inverse, transposed, and by Cholesky half as much again', () => {
    const a = definite();
    close(
      gradientOf((x) => x.det().log(), a),
      a.inv().transpose(),
    );
    // Of the lower triangle alone: each element below the diagonal stands for two.
    const byFactor = gradientOf((x) => x.cholesky().diagonal().log().sum().mul(2), a);
    close(byFactor, a.inv().mul(2).tril(-1).add(a.inv().diagonal().diag()));
  });

  test("the gradient of x' A^-1 b: the adjoint solve", () => {
    const [a, b, v] = [regular(), random(3), random(3)];
    const adjoint = a.transpose().solve(v);
    close(
      gradientOf((x) => x.solve(b).dot(v), a),
      adjoint.outer(a.solve(b)).neg(),
    );
    close(
      gradientOf((x) => variable(a).solve(x).dot(v), b),
      adjoint,
    );
  });

  const cofactors = (m: number[][]): number[][] =>
    m.map((row, i) =>
      row.map((_, j) => {
        const minor = m.filter((_, k) => k !== i).map((r) => r.filter((_, k) => k !== j)) as [number[], number[]];
        const [[p, q], [r, s]] = minor as [[number, number], [number, number]];
        return (i + j) % 2 === 0 ? p * s - q * r : q * r - p * s;
      }),
    );

  test.each([
    [
      'rank 3',
      [
        [2, 1, 0],
        [1, -1, 3],
        [0, 2, 1],
      ],
    ],
    [
      'rank 2, a column of zeros first',
      [
        [0, 1, 2],
        [0, 3, -1],
        [0, 1, 1],
      ],
    ],
    [
      'rank 2, two equal rows',
      [
        [1, 2, 3],
        [1, 2, 3],
        [0, 1, 1],
      ],
    ],
    [
      'rank 2, a row that is the sum of others',
      [
        [1, 2, 3],
        [3, -1, 1],
        [4, 1, 4],
      ],
    ],
    [
      'rank 1',
      [
        [1, 2, 3],
        [2, 4, 6],
        [3, 6, 9],
      ],
    ],
    [
      'rank 0',
      [
        [0, 0, 0],
        [0, 0, 0],
        [0, 0, 0],
      ],
    ],
  ])('the gradient of det is the cofactors: %s', (_, rows) => {
    close(
      gradientOf((x) => x.det(), tensor(rows, { dtype: 'float64' })),
      tensor(cofactors(rows), { dtype: 'float64' }),
    );
  });

  test('second derivatives of det where the rank is n - 1', () => {
    const singular = tensor(
      [
        [0, 1, 2],
        [0, 3, -1],
        [0, 1, 1],
      ],
      { dtype: 'float64' },
    );
    expect(gradcheck((x) => x!.det(), [singular], { order: 1 })).toBeLessThan(1e-9);
    // d2 det / da00 da11 = a22, and so on: the cofactor of a00 is a11 a22 - a12 a21.
    const x = variable(singular, { requiresGrad: true });
    const [first] = gradientsOf(x.det(), [x], { createGraph: true });
    const [second] = gradientsOf(first!.slice(0, 0), [x]);
    close(
      second!.value,
      tensor(
        [
          [0, 0, 0],
          [0, 1, -1],
          [0, 1, 3],
        ],
        { dtype: 'float64' },
      ),
    );
  });
});

test('a product in float64 of float32 operands: each gets its gradient in its own type, and the derivative of that', () => {
  const rng = new Rng(4);
  const [a, b] = [randn([3, 4], rng), randn([4, 2], rng, { dtype: 'float64' })].map((x) =>
    variable(x, { requiresGrad: true }),
  ) as [Variable, Variable];
  const run = (x: Variable, y: Variable) => x.matmul(y, { dtype: 'float64' }).square().sum();
  const [da, db] = gradientsOf(run(a, b), [a, b], { createGraph: true }) as [Variable, Variable];
  expect([da.dtype, db.dtype]).toEqual(['float32', 'float64']);
  const [a64, b64] = [a.value.cast('float64'), b.value].map((x) => variable(x, { requiresGrad: true })) as [
    Variable,
    Variable,
  ];
  const [da64, db64] = gradientsOf(a64.matmul(b64).square().sum(), [a64, b64], { createGraph: true }) as [
    Variable,
    Variable,
  ];
  const apart = (x: Variable, y: Variable) => x.value.cast('float64').sub(y.value).abs().max().item() as number;
  expect(apart(da, da64)).toBeLessThan(1e-5);
  expect(apart(db, db64)).toBeLessThan(1e-12);
  const second = gradientsOf(da.square().sum(), [b])[0]!;
  const second64 = gradientsOf(da64.square().sum(), [b64])[0]!;
  expect(second.dtype).toBe('float64');
  expect(apart(second, second64)).toBeLessThan(1e-3);
});
