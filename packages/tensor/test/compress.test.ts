// compressRows changes what products cost, and nothing else: with and without it, all results have the same bits.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compressRows, errors, Rng, randn, scope, type Tensor, tensor, where, zeros } from '../src/index.ts';
import type { Storage } from '../src/storage.ts';

const rng = new Rng(5);
const sparse = (shape: number[], seed: number, density = 0.2): Tensor =>
  where<Tensor>(
    randn(shape, rng.foldIn(seed))
      .abs()
      .lt(0.253 * (density / 0.2)),
    randn(shape, rng.foldIn(seed + 1)),
    0,
  );
const bits = (x: Tensor) => [...new Uint8Array(x.dataSync().buffer)];

describe('compressRows', () => {
  test('products have the same bits: of all rows, of some, of a stack, from the left and transposed', () => {
    fc.assert(
      fc.property(
        fc.record({
          groups: fc.integer({ min: 1, max: 4 }),
          rows: fc.integer({ min: 1, max: 40 }),
          width: fc.constantFrom(3, 64, 100, 530),
          n: fc.integer({ min: 1, max: 40 }),
          seed: fc.nat(100),
        }),
        ({ groups, rows, width, n, seed }) =>
          scope(() => {
            const x = sparse([groups * rows, width], seed);
            const plain = x.copy();
            const packed = compressRows(x);
            const [w, d] = [randn([n, width], rng.foldIn(seed + 2)), randn([groups * rows, n], rng.foldIn(seed + 3))];
            const first = seed % rows;
            const products: ((a: Tensor) => Tensor)[] = [
              (a) => a.matmul(w.transpose()),
              (a) => a.slice([first, first + 1]).matmul(w.transpose()),
              (a) => a.transpose().matmul(d),
              (a) =>
                a
                  .reshape([groups, rows, width])
                  .transpose(1, 2)
                  .matmul(d.reshape([groups, rows, n])),
              (a) => a.reshape([groups, rows, width]).matmul(w.transpose()),
              (a) =>
                a
                  .slice([first])
                  .transpose()
                  .matmul(d.slice([first])),
              // Other views take the dense form.
              (a) => a.slice(null, [1]).matmul(w.slice(null, [1]).transpose()),
              (a) => w.matmul(a.transpose()),
              (a) => a.flip(0).matmul(w.transpose()),
            ];
            for (const product of products) expect(bits(product(packed))).toEqual(bits(product(plain)));
            expect(bits(packed)).toEqual(bits(plain));
          }),
      ),
      { numRuns: 40 },
    );
  });

  test('transposes of groups of rows that share some give way to one another', () => {
    scope(() => {
      const x = sparse([120, 64], 1);
      const packed = compressRows(x.copy());
      const d = randn([120, 8], rng);
      const groups = () => [...packed.storage.compressed!.transposed].map(([first, { width }]) => [first, width]);
      const check = (first: number, end: number) => {
        const product = (a: Tensor) =>
          a
            .slice([first, end])
            .transpose()
            .matmul(d.slice([first, end]));
        expect(bits(product(packed))).toEqual(bits(product(x)));
      };
      check(0, 40);
      check(40, 80);
      check(80, 120);
      const [kept, lost] = [0, 40].map((first) => packed.storage.compressed!.transposed.get(first)!.storage);
      expect(groups()).toEqual([
        [0, 40],
        [40, 40],
        [80, 40],
      ]);
      check(50, 110);
      expect(groups()).toEqual([
        [0, 40],
        [50, 60],
      ]);
      expect([kept!.released, lost!.released]).toEqual([false, true]);
      check(0, 39);
      expect(kept!.released).toBe(true);
      // Too few to be worth a transpose.
      check(100, 110);
      expect(groups()).toEqual([
        [50, 60],
        [0, 39],
      ]);
    });
  });

  test('NaN and infinity in the other operand meet the zeros', () => {
    const x = compressRows(sparse([30, 64], 1).copy());
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const w = where<Tensor>(tensor(Array.from({ length: 64 }, (_, i) => i === 9)), odd, zeros([8, 64]));
      expect(x.matmul(w.transpose()).isNan().any().item()).toBe(true);
      const d = where<Tensor>(tensor(Array.from({ length: 30 }, (_, i) => [i === 9])), odd, zeros([30, 8]));
      expect(x.transpose().matmul(d).isNan().any().item()).toBe(true);
    }
  });

  test('is noted where it pays, in the storage, and goes with it', () => {
    const noted = (x: Tensor) => compressRows(x).storage.compressed !== null;
    scope(() => {
      expect(noted(sparse([40, 64], 1))).toBe(true);
      expect(noted(randn([40, 64], rng))).toBe(false);
      expect(noted(sparse([40, 64], 1).cast('float64'))).toBe(false);
      expect(noted(sparse([40, 64], 1).to('reference'))).toBe(false);
      expect(noted(sparse([40 * 64], 1))).toBe(false);
      expect(compressRows(sparse([40, 64], 1), { maxDensity: 0 }).storage.compressed).toBeNull();
      const part = sparse([40, 64], 1).slice([3]);
      expect(noted(part)).toBe(true);
      expect(part.storage.compressed).toBeNull();
      const whole = sparse([40, 2, 32], 1);
      expect(compressRows(whole)).toBe(whole);
      expect(whole.storage.compressed).toMatchObject({ rows: 40, width: 64 });
    });
    const { storage } = scope(() => [compressRows(sparse([40, 64], 1))].map(({ storage }) => ({ storage }))[0]!);
    expect(storage.released).toBe(true);
    expect(storage.compressed).toBeNull();
    expect(() => compressRows(zeros([2, 2]), { maxDensity: 2 })).toThrow(errors.DataError);
  });
});

describe('what relu made', () => {
  /** About that share of the elements is not 0. */
  const rectified = (shape: number[], seed: number, shift = -0.8): Tensor =>
    randn(shape, rng.foldIn(seed)).add(shift).relu();
  const isNoted = (x: Tensor) => x.storage.compressed !== null;

  test('products have the same bits as those of a copy, which is not looked at', () => {
    fc.assert(
      fc.property(
        fc.record({
          groups: fc.integer({ min: 1, max: 4 }),
          rows: fc.integer({ min: 20, max: 120 }),
          width: fc.oneof(fc.integer({ min: 60, max: 200 }), fc.constant(530)),
          n: fc.integer({ min: 1, max: 110 }),
          shift: fc.constantFrom(-0.8, -0.2, 0.1),
          seed: fc.nat(100),
        }),
        ({ groups, rows, width, n, shift, seed }) =>
          scope(() => {
            const x = rectified([groups * rows, width], seed, shift);
            const plain = x.copy();
            const [w, d] = [randn([n, width], rng.foldIn(seed + 2)), randn([groups * rows, n], rng.foldIn(seed + 3))];
            const bias = randn([n], rng.foldIn(seed + 4));
            const products: ((a: Tensor) => Tensor)[] = [
              (a) => a.linear(w, bias),
              (a) =>
                a
                  .reshape([groups, rows, width])
                  .transpose(1, 2)
                  .matmul(d.reshape([groups, rows, n])),
              (a) => a.slice([1]).matmul(w.transpose()),
              (a) => w.matmul(a.transpose()),
            ];
            for (const product of products) expect(bits(product(x))).toEqual(bits(product(plain)));
            expect(isNoted(plain)).toBe(false);
            expect(isNoted(x)).toBe(n >= 48 && x.size >= 2 ** 14 && shift < 0);
          }),
      ),
      { numRuns: 25 },
    );
  });

  test('is looked at once, by a product of all of it with many columns', () => {
    scope(() => {
      const w = randn([100, 100], rng);
      const x = rectified([200, 100], 1);
      x.slice([0, 10]).matmul(w);
      x.matmul(w.slice(null, [0, 10]));
      x.transpose().matmul(rectified([200, 100], 2));
      expect(isNoted(x)).toBe(false);
      x.matmul(w);
      expect(isNoted(x)).toBe(true);
      const small = rectified([100, 100], 1);
      small.matmul(w);
      expect(isNoted(small)).toBe(false);
      const others = [
        rectified([200, 100], 1).add(0),
        rectified([4, 50, 100], 1),
        rectified([200, 100], 1).cast('float64'),
      ];
      for (const other of others) {
        other.matmul(w.cast(other.dtype));
        expect(isNoted(other)).toBe(false);
      }
    });
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])(
    '%d among its elements, or in the other operand, meets the zeros',
    (odd) => {
      scope(() => {
        const at = tensor(Array.from({ length: 100 }, (_, i) => i === 9));
        const w = where<Tensor>(at, odd, randn([100, 100], rng));
        const x = rectified([200, 100], 1);
        expect(x.matmul(w.transpose()).isNan().any().item()).toBe(true);
        const y = where<Tensor>(at, odd, randn([200, 100], rng).sub(0.8)).relu();
        expect(
          y
            .matmul(zeros([100, 100]))
            .isNan()
            .all()
            .item(),
        ).toBe(true);
        expect(isNoted(y)).toBe(false);
      });
    },
  );

  test('its rows without zeros go with it', () => {
    let x: Tensor | undefined;
    let rows: Storage | undefined;
    scope(() => {
      x = rectified([200, 100], 1);
      x.matmul(randn([100, 100], rng));
      rows = x.storage.compressed!.storage;
      expect(rows.released).toBe(false);
    });
    expect([x!.storage.compressed, rows!.released]).toEqual([null, true]);
  });
});
