// Derivatives of what indexes and rearranges, to order 2 against finite differences, with negative and repeated indices; and the exact
// adjoints of what only moves elements.

import { meshgrid, Rng, randn, type Tensor, tensor } from '@gemlab/tensor';
import { expect, test } from 'vitest';
import { gradcheck, gradientsOf, type Variable, variable } from '../src/index.ts';

const rng = new Rng(31);
const random = (...shape: number[]): Tensor => randn(shape, rng, { dtype: 'float64' });
const ints = (data: number[] | number[][]) => tensor(data, { dtype: 'int32' });
const mask = tensor([
  [true, false, true],
  [false, false, true],
]);
const rows = ints([
  [0, -1, 1],
  [1, 1, -2],
  [-1, 0, 0],
]);

const made = (name: string, f: (...xs: Variable[]) => Variable, ...inputs: Tensor[]) => [name, f, inputs] as const;
/** Linear in their inputs. */
const moving = [
  made('gather', (x) => x!.gather(0, rows), random(2, 3)),
  made('scatter', (x, u) => x!.scatter(0, rows, u!), random(2, 3), random(3, 3)),
  made('scatterAdd', (x, u) => x!.scatterAdd(0, rows, u!), random(2, 3), random(3, 3)),
  made('indexSelect', (x) => x!.indexSelect(1, ints([-1, 0, 2])), random(2, 3)),
  made(
    'take, flat',
    (x) =>
      x!.take(
        ints([
          [0, -1],
          [3, 3],
        ]),
      ),
    random(2, 3),
  ),
  made(
    'take, along an axis',
    (x) =>
      x!.take(
        ints([
          [0, -1],
          [1, 1],
        ]),
        -1,
      ),
    random(2, 3),
  ),
  made(
    'gatherND',
    (x) =>
      x!.gatherND(
        ints([
          [0, -1],
          [1, 1],
          [0, -1],
        ]),
      ),
    random(2, 3, 2),
  ),
  made('gatherND, in batches', (x) => x!.gatherND(ints([[-1], [0]]), 1), random(2, 3, 2)),
  made('scatterND', (x, u) => x!.scatterND(ints([[-1], [0], [1]]), u!), random(2, 3), random(3, 3)),
  made('scatterND, sum', (x, u) => x!.scatterND(ints([[-1], [0], [1]]), u!, 'sum'), random(2, 3), random(3, 3)),
  made('maskedSelect', (x) => x!.maskedSelect(mask), random(2, 2, 3)),
  made('maskedSelect of a row', (x) => x!.maskedSelect(mask), random(3)),
  made('maskedFill', (x, v) => x!.maskedFill(mask, v!), random(2, 3), random()),
  made('maskedScatter', (x, s) => x!.maskedScatter(mask, s!), random(2, 3), random(2, 2)),
  made('roll', (x) => x!.roll([1, -2], [0, -1]), random(2, 3)),
  made('roll, flat', (x) => x!.roll(4), random(2, 3)),
  made('tile', (x) => x!.tile([2, 1, 3]), random(2, 3)),
  made('repeatInterleave', (x) => x!.repeatInterleave([2, 0, 1], 1), random(2, 3)),
  made(
    'pad, edge',
    (x) =>
      x!.pad(
        [
          [1, 0],
          [2, 3],
        ],
        'edge',
      ),
    random(2, 3),
  ),
  made(
    'pad, reflect',
    (x) =>
      x!.pad(
        [
          [3, 2],
          [1, 5],
        ],
        'reflect',
      ),
    random(2, 3),
  ),
  made(
    'pad, wrap',
    (x) =>
      x!.pad(
        [
          [3, 0],
          [1, 4],
        ],
        'wrap',
      ),
    random(2, 3),
  ),
  made('moveAxis', (x) => x!.moveAxis([0, 2], [1, 0]), random(2, 3, 2)),
  made('chunk', (x) => x!.chunk(2, 1)[1]!.add(x!.slice(null, 0).unsqueeze(1)), random(2, 3)),
  made('unbind', (x) => x!.unbind(1)[2]!, random(2, 3)),
  made('meshgrid', (x, y) => meshgrid<Variable>([x!, y!], 'xy').reduce((a, b) => a.add(b)), random(2), random(3)),
];
const bending = [
  made('scatterReduce, prod', (x, u) => x!.scatterReduce(0, rows, u!, 'prod'), random(2, 3), random(3, 3)),
  made('scatterReduce, max', (x, u) => x!.scatterReduce(0, rows, u!, 'max'), random(2, 3), random(3, 3)),
  made('scatterND, prod', (x, u) => x!.scatterND(ints([[-1], [1]]), u!, 'prod'), random(2, 3), random(2, 3)),
  made('scatterND, min', (x, u) => x!.scatterND(ints([[-1], [1]]), u!, 'min'), random(2, 3), random(2, 3)),
];

test.each([...moving, ...bending])('%s: gradients to order 2', (_, f, inputs) => {
  const bent = (...xs: Variable[]) =>
    f(...xs).add(
      f(...xs)
        .square()
        .mul(0.5),
    );
  expect(gradcheck(bent, inputs, { rng: new Rng(6) })).toBeLessThan(1e-7);
});

// <f(x), y> = <x, f'y> in each input by itself, with the others 0: exact on small integers.
test.each(moving)('%s: the gradient is the exact adjoint', (_, f, inputs) => {
  const whole = (x: Tensor) => tensor(rng.integers(x.size, -4, 5), { shape: x.shape, dtype: 'float64' });
  inputs.forEach((_, k) => {
    const xs = inputs.map((x, i) => (i === k ? whole(x) : x.mul(0)));
    const leaf = variable(xs[k]!, { requiresGrad: true });
    const out = f(...xs.map((x, i) => (i === k ? leaf : variable(x))));
    const y = whole(out.value);
    const [pulled] = gradientsOf(out, [leaf], { seed: y });
    expect(out.value.mul(y).sum().item()).toBe(xs[k]!.mul(pulled!.value).sum().item());
  });
});

test('updates that tie for the maximum share the gradient, with x among them', () => {
  const x = variable(tensor([2, 5], { dtype: 'float64' }), { requiresGrad: true });
  const u = variable(tensor([2, 2, 1], { dtype: 'float64' }), { requiresGrad: true });
  const out = x.scatterReduce(0, ints([0, 0, 1]), u, 'max');
  const [gx, gu] = gradientsOf(out.sum(), [x, u]);
  expect([gx!.value.toArray(), gu!.value.toArray()]).toEqual([
    [1 / 3, 1],
    [1 / 3, 1 / 3, 0],
  ]);
});

test('a product with a zero has exact derivatives', () => {
  const x = variable(tensor([3], { dtype: 'float64' }), { requiresGrad: true });
  const u = variable(tensor([0, 4], { dtype: 'float64' }), { requiresGrad: true });
  const [gx, gu] = gradientsOf(x.scatterReduce(0, ints([0, 0]), u, 'prod').sum(), [x, u]);
  expect([gx!.value.toArray(), gu!.value.toArray()]).toEqual([[0], [12, 0]]);
});
