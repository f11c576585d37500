// x w' + b in one step has the bits of its two, wherever the numbers lie and whatever adds the bias.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  chooseDevice,
  compressRows,
  type Device,
  type DType,
  devices,
  errors,
  ones,
  Rng,
  randn,
  scope,
  type Tensor,
  tensor,
  where,
  zeros,
} from '../src/index.ts';
import { leavingUntouched, thrown } from './support/expect.ts';

// From here on one of the devices.
await chooseDevice('cpu-fma');

const bits = (x: Tensor) => Buffer.from(x.dataSync().buffer).toString('hex');

/** In the heap, if there is one, or outside. */
const places = [(fn: () => void) => scope(fn), (fn: () => void) => fn()];

type Look = (x: Tensor) => Tensor;
/** Ways for a matrix to lie, and for a bias. */
const matrices: readonly Look[] = [
  (x) => x,
  (x) => x.transpose().copy().transpose(),
  (x) => x.flip(1).copy().flip(1),
  (x) => x.slice(null, [null, null, -1]),
  (x) => x.slice([0, 1]).expand(x.shape),
];
const vectors: readonly Look[] = [
  (x) => x,
  (x) => x.flip(),
  (x) => x.slice([0, 1]).expand(x.shape),
  (x) => x.expand([2, x.size]).copy().slice(1),
];

const cases = fc.record({
  m: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 13, max: 300 })),
  // Below, at and above a block of the kernels, which is part of the result's definition.
  k: fc.oneof(fc.integer({ min: 0, max: 70 }), fc.integer({ min: 509, max: 515 }), fc.constantFrom(1024, 1030)),
  n: fc.integer({ min: 0, max: 40 }),
  dtype: fc.constantFrom<DType>('float32', 'float32', 'float64', 'int32'),
  x: fc.nat(matrices.length - 1),
  w: fc.nat(matrices.length - 1),
  b: fc.nat(vectors.length),
  place: fc.nat(1),
  seed: fc.nat(99),
});

function draw(shape: number[], dtype: DType, seed: number, device: Device): Tensor {
  const x = randn(shape, new Rng(seed), { std: dtype === 'int32' ? 40 : 1 });
  return x.cast(dtype).to(device);
}

/** Expects the bits of a product and a sum. */
function expectSame(x: Tensor, w: Tensor, b: Tensor | null): Tensor {
  const found = leavingUntouched(b === null ? [x, w] : [x, w, b], () => x.linear(w, b));
  const product = x.matmul(w.transpose());
  const expected = b === null ? product : product.add(b);
  expect([found.shape, found.dtype]).toEqual([expected.shape, expected.dtype]);
  expect(bits(found)).toBe(bits(expected));
  return found;
}

describe.each(devices)('%s', (device) => {
  test('matrices in any layout', () => {
    fc.assert(
      fc.property(cases, ({ m, k, n, dtype, x, w, b, place, seed }) => {
        // The plain loops take long.
        const plain = device === 'reference' || dtype === 'int32';
        const [rows, columns] = plain ? [m % 6, n % 6] : [m, n];
        places[place]!(() => {
          const lookX = rows * k === 0 ? matrices[0]! : matrices[x]!;
          const lookW = columns * k === 0 ? matrices[0]! : matrices[w]!;
          const bias = columns === 0 ? vectors[0]! : vectors[b];
          expectSame(
            lookX(draw([rows, k], dtype, seed, device)),
            lookW(draw([columns, k], dtype, seed + 1, device)),
            bias ? bias(draw([columns], dtype, seed + 2, device)) : null,
          );
        });
      }),
      { numRuns: device === 'reference' ? 40 : 150 },
    );
  });

  test('a vector, and rows on any number of axes, whether or not they make a matrix', () => {
    const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });
    fc.assert(
      fc.property(shapes, fc.constantFrom(0, 1, 5, 40), fc.nat(9), fc.nat(3), fc.nat(1), (leading, k, n, look, place) =>
        places[place]!(() => {
          const whole = draw([...leading, k], 'float32', n, device);
          const axes = [...leading.keys()];
          const x = [
            whole,
            whole.permute([...axes.toReversed(), leading.length]),
            whole.flip(0),
            whole.expand([2, ...whole.shape]),
          ][look]!;
          const [w, b] = [draw([n, k], 'float32', 1, device), draw([n], 'float32', 2, device)];
          expectSame(x, w, b);
          expectSame(x, w, null);
        }),
      ),
      { numRuns: 80 },
    );
  });

  test('however the weight lies, and whatever rows a row comes with', () => {
    // The plain loops take long.
    const [most, deepest, numRuns] = device === 'reference' ? [6, 20, 30] : [70, 700, 300];
    const size = fc.integer({ min: 1, max: most });
    fc.assert(
      fc.property(size, size, fc.integer({ min: 1, max: deepest }), fc.nat(99), (m, n, k, seed) =>
        scope(() => {
          const [x, w] = [draw([m, k], 'float32', seed, device), draw([n, k], 'float32', seed + 1, device)];
          const found = x.linear(w);
          expect(bits(found)).toBe(bits(x.matmul(w.transpose().copy())));
          const row = seed % m;
          expect(bits(found.slice(row))).toBe(bits(x.slice([row, row + 1]).linear(w)));
        }),
      ),
      { numRuns },
    );
  });

  test('dtypes meet as those of matmul and add do', () => {
    const dtypes: readonly DType[] = ['bool', 'int32', 'float32', 'float64'];
    for (const a of dtypes) {
      for (const b of dtypes) {
        for (const c of dtypes) {
          const [x, w, bias] = [draw([3, 4], a, 1, device), draw([2, 4], b, 2, device), draw([2], c, 3, device)];
          expectSame(x, w, bias);
          expectSame(x, w, null);
        }
      }
    }
  });

  test('a number that is not finite reaches the elements it belongs to', () => {
    const w = ones([3, 2], { device });
    expect(
      zeros([2, 2], { device })
        .linear(w, tensor([Number.NaN, Infinity, -1], { device }))
        .toArray(),
    ).toEqual([
      [Number.NaN, Infinity, -1],
      [Number.NaN, Infinity, -1],
    ]);
  });

  test('what does not fit is explained', () => {
    const x = (...shape: number[]) => ones(shape, { device });
    const says = (fn: () => Tensor, message: string) => {
      expect(thrown(fn)).toBeInstanceOf(errors.ShapeError);
      expect(thrown(fn).message).toBe(message);
    };
    says(() => x().linear(x(2, 3)), 'linear: wants x [..., in] and a weight [out, in], found [] and [2,3]');
    says(() => x(3).linear(x(3)), 'linear: wants x [..., in] and a weight [out, in], found [3] and [3]');
    says(
      () => x(2, 3).linear(x(1, 2, 3)),
      'linear: wants x [..., in] and a weight [out, in], found [2,3] and [1,2,3]; did you mean matmul?',
    );
    says(
      () => x(2, 3).linear(x(3, 4)),
      'linear: x [2,3] must end in 4, as the weight is [3,4], [out, in]; did you mean weight.transpose()?',
    );
    says(() => x(5).linear(x(3, 4)), 'linear: x [5] must end in 4, as the weight is [3,4], [out, in]');
    says(() => x(2, 3).linear(x(4, 3), x(3)), 'linear: wants a bias [4], as the weight is [4,3], found [3]');
    says(() => x(2, 3).linear(x(4, 3), x(1)), 'linear: wants a bias [4], as the weight is [4,3], found [1]');
    says(
      () => x(2, 3).linear(x(4, 3), x(1, 4)),
      'linear: wants a bias [4], as the weight is [4,3], found [1,4]; did you mean bias.flatten()?',
    );
    expect(thrown(() => x(2).linear([[1, 2]] as unknown as Tensor)).message).toMatch(
      /^linear: expected a tensor or a number/,
    );
  });
});

test('rows without their zeros, of all of a tensor, of some, and of a stack', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.constantFrom(3, 64, 530, 1100),
      fc.integer({ min: 1, max: 40 }),
      fc.nat(vectors.length - 1),
      fc.nat(99),
      (m, k, n, look, seed) =>
        scope(() => {
          const rng = new Rng(seed);
          const dense = where<Tensor>(
            randn([2 * m, k], rng)
              .abs()
              .lt(0.3),
            randn([2 * m, k], rng),
            0,
          );
          const packed = compressRows(dense.copy());
          const [w, b] = [randn([n, k], rng), vectors[look]!(randn([n], rng))];
          const [turned, of] = [randn([n, 2 * m], rng), bits(expectSame(dense, w, b))];
          expect(bits(expectSame(packed, w, b))).toBe(of);
          expectSame(packed.slice([m]), w, b);
          expectSame(packed.reshape([2, m, k]), w, b);
          expectSame(packed.transpose(), turned, b);
          const odd = where<Tensor>(tensor(Array.from({ length: n }, (_, i) => [i === n - 1])), Infinity, w);
          expectSame(packed, odd, b);
        }),
    ),
    { numRuns: 40 },
  );
});

test('products whose longer side is turned, and biases that lie nowhere near', () => {
  scope(() => {
    const rng = new Rng(1);
    const [x, w] = [randn([20, 700], rng), randn([800, 700], rng)];
    expectSame(x, w, randn([800], rng));
    expectSame(x, w, randn([1600], rng).slice([null, null, 2]));
    // Too large an upload for the heap.
    const far = tensor(new Float32Array(5 * 2 ** 20).fill(0.1));
    expect(far.storage.address).toBe(-1);
    expectSame(x, w, far.slice([7, 807]));
  });
});
