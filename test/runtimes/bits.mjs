// What every runtime must compute to the bit, in plain JavaScript so that each can load it as it is: all draws of Rng, what IEEE 754
// fixes (sums, products, quotients, roots, and all that is made of them: exponentials in float32, float32 products in WebAssembly), files
// and print. Nothing here calls what ECMAScript leaves to the engine: its exp, log, sin and their like may differ in the last bit.
//
// bits.json holds the digests. After a change that is meant to change them:
//
//     npx -y pnpm@10.34.9 build && node -e "import('./test/runtimes/bits.mjs').then(async (m) => console.log(JSON.stringify(await m.bits(), null, 2)))" > test/runtimes/bits.json

import { gradientsOf, losses, nn, optim, variable } from '@gemlab/autograd';
import * as gemlab from '@gemlab/tensor';

const { arange, einsum, Rng, tensor } = gemlab;

/** The first 64 bits of SHA-256 over the bytes of typed arrays, tensors and texts. */
async function digest(...values) {
  const parts = values.flat(Infinity).map((value) => {
    if (typeof value === 'string') return new TextEncoder().encode(value);
    const array = ArrayBuffer.isView(value) ? value : value.dataSync();
    return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  });
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash.slice(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const weights = Array.from({ length: 300 }, (_, i) => (i % 9) / 8);
const draws = {
  words: (rng) => rng.uint32s(10_000),
  'uniform float32': (rng) => rng.uniform(10_000, -3, 0.1),
  'uniform float64': (rng) => rng.uniform(10_000, -3, 0.1, 'float64'),
  'normal float32': (rng) => rng.normal(10_000, 1, 2),
  'normal float64': (rng) => rng.normal(10_000, 1, 2, 'float64'),
  'truncated normal': (rng) => rng.truncatedNormal(10_000, 0, 1, -1.5, 3, 'float64'),
  'truncated normal, tail': (rng) => rng.truncatedNormal(10_000, 0, 1, 4, Infinity, 'float64'),
  exponential: (rng) => rng.exponential(10_000, 3, 'float64'),
  integers: (rng) => rng.integers(10_000, -(2 ** 31), 2 ** 30 + 1),
  bernoulli: (rng) => rng.bernoulli(10_000, 0.3),
  permutation: (rng) => rng.permutation(10_000),
  choice: (rng) => rng.choice(2 ** 31, 10_000),
  'choice by weight': (rng) => rng.choice(300, 200, false, weights),
  'choice by weight, with replacement': (rng) => rng.choice(300, 10_000, true, weights),
  'fold in and split': (rng) =>
    [rng.foldIn(2 ** 40 + 1), ...rng.split(3)].map((child) => child.foldIn(1).uint32s(1000)),
  state: (rng) => String(rng.split(2)[1]),
};

const floats = ['float32', 'float64'];
const each = (f) =>
  floats.map((dtype) => f((...shape) => gemlab.randn(shape, new Rng(shape.length), { dtype }), dtype));

const computations = {
  arithmetic: () =>
    each((random) => {
      const [a, b] = [random(60, 70), random(70)];
      return [a.add(b), a.sub(b), a.mul(b), a.div(b), a.abs().sqrt(), a.maximum(b), a.mod(b), a.floor(), a.round()];
    }),
  'sums and means': () =>
    each((random) => {
      const x = random(30, 40, 50);
      return [x.sum(), x.mean(1), x.var([0, 2]), x.std(-1), x.cumsum(1), x.prod(0), x.max(2), x.argmin(0)];
    }),
  // As vectors, and line by line.
  exponentials: () => [
    gemlab.randn([40, 50], new Rng(2), { std: 30 }).exp(),
    each((random) => [random(60, 50), random(50, 60).transpose()].flatMap((x) => [x.softmax(-1), x.logSoftmax(-1)])),
  ],
  // More than one block of k, and edges of every tile.
  'products of matrices': () =>
    each((random) => [random(43, 1100).matmul(random(1100, 37)), random(5, 6, 7).matmul(random(7, 3))]),
  'products of transposed and reversed views': () =>
    each((random) => [
      random(90, 50).transpose().matmul(random(90, 30).flip()),
      einsum('bij,kj->bki', random(4, 9, 11), random(8, 11)),
    ]),
  'linear systems': () =>
    each((random) => {
      const [a, b] = [random(3, 12, 12), random(12, 4)];
      return [a.solve(b), a.inv(), a.det(), a.matmul(a.transpose()).cholesky()];
    }),
  'integers and casts': () => {
    const x = tensor(new Rng(5).integers(5000, -(2 ** 31), 2 ** 31));
    const wide = gemlab.randn([5000], new Rng(6), { std: 1e9, dtype: 'float64' });
    return [
      x.mul(x),
      x.add(x.flip()),
      x.mod(1000),
      x.sum(),
      wide.cast('int32'),
      wide.cast('float32'),
      x.cast('float32'),
    ];
  },
  indexing: () =>
    each((random) => {
      const [x, index] = [random(20, 30), gemlab.randint([40, 30], new Rng(7), { low: -20, high: 20 })];
      return [
        x.gather(0, index),
        x.scatterAdd(0, index, random(40, 30)),
        x.pad(
          [
            [3, 40],
            [1, 2],
          ],
          'reflect',
        ),
        x.roll(7),
      ];
    }),
  'gradients and a training': () => {
    const rng = new Rng(9);
    const model = new nn.MLP([20, 30, 5], { rng: rng.foldIn(0) });
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.05, momentum: 0.9 });
    const [x, y] = [gemlab.randn([16, 20], rng), gemlab.randn([16, 5], rng)];
    for (let step = 0; step < 5; step++) {
      optimizer.zeroGrad();
      losses.mse(model.forward(variable(x)), y).backward();
      optimizer.step();
    }
    const at = variable(gemlab.randn([10], rng, { dtype: 'float64' }), { requiresGrad: true });
    const [first] = gradientsOf(at.square().mul(at).sum(), [at], { createGraph: true });
    return [...model.parameters().map((p) => p.value), gradientsOf(first.square().sum(), [at])[0].value];
  },
  files: () => {
    const named = { a: gemlab.randn([7, 9], new Rng(10)), b: arange(12).reshape([3, 4]), c: tensor([true, false]) };
    const npy = gemlab.writeNpy(named.a);
    const npz = gemlab.writeNpz(named);
    return [npy, gemlab.readNpy(npy), npz, ...gemlab.readNpz(npz).values(), gemlab.writeSafetensors(named)];
  },
  print: () => each((random) => String(random(50, 60).mul(random(50, 1).mul(1e6)))),
};

/** Each by its name. */
export async function bits() {
  const digests = {};
  for (const [name, draw] of Object.entries(draws)) digests[name] = await digest(draw(new Rng(20180101)));
  for (const [name, compute] of Object.entries(computations)) digests[name] = await digest(compute());
  return digests;
}
