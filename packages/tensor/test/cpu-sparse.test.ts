// Products that skip zeros against the dense loops: the same bits, whatever the shapes, the strides and the density.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_BIAS } from '../src/backends/cpu/gemm-kernel.ts';
import { gemmLoops } from '../src/backends/cpu/gemm-loops.ts';
import { createHeap } from '../src/backends/cpu/heap.ts';
import { createWorkspace } from '../src/backends/cpu/module.ts';
import { compilePack } from '../src/backends/cpu/pack-kernel.ts';
import { createSparse, type PackedRows, packRows, packTranspose, unpacked } from '../src/backends/cpu/sparse.ts';
import { rowsTimes } from '../src/backends/cpu/sparse-loops.ts';
import { createSparseProducts } from '../src/backends/cpu/sparse-products.ts';
import type { Storage } from '../src/storage.ts';

/** A memory with room for tensors, 16 bytes behind each, and for scratch behind them all, which makes it grow. */
function memoryFor(floats: number) {
  const space = createWorkspace()!;
  space.reserve(4 * floats);
  const { memory } = space;
  let used = 0;
  return {
    workspace: { memory, reserve: (bytes: number) => space.reserve(4 * floats + bytes)! + 4 * floats },
    /** An address, for arrays over the memory are detached when it grows. */
    take(length: number, fill: () => number = () => 7): number {
      const at = 4 * used;
      used += length + 4;
      expect(used).toBeLessThan(floats);
      new Float32Array(memory.buffer, at, length).set(Float32Array.from({ length }, fill));
      return at;
    },
    at: (address: number, length: number) => new Float32Array(memory.buffer, address, length),
  };
}

const bits = (x: Float32Array | Int32Array) => Buffer.from(x.slice().buffer).toString('base64');

const partsOf = (x: PackedRows) => [bits(unpacked(x).columns), bits(unpacked(x).starts)];

const cases = fc.record({
  rows: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(512, 600)),
  width: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(511, 512, 513, 1030)),
  n: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(100, 28, 29)),
  density: fc.constantFrom(0, 0.02, 0.2, 1),
  layout: fc.constantFrom('rows', 'columns', 'elsewhere' as const),
  start: fc.double({ min: 0, max: 1, noNaN: true }),
  share: fc.constantFrom(0.5, 0.8, 1),
  transposed: fc.boolean(),
  seed: fc.nat(1000),
});

/** Uniform on -2..2, or 0 of either sign. */
function generator(seed: number, density: number): () => number {
  let state = (seed + 1) * 9301;
  const next = () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
  return () => (next() < density ? next() * 4 - 2 : next() < 0.5 ? 0 : -0);
}

test('skip zeros after the memory has grown, too', () => {
  const heap = createHeap()!;
  const products = createSparseProducts(heap, false)!;
  const [x, w, out] = [heap.storage('float32', 60)!, heap.storage('float32', 40)!, heap.storage('float32', 24)!];
  x.data.fill(0).set([1, 2], 11);
  w.data.fill(3);
  products.compressRows(x, 6, 10, 1);
  const matrix = (storage: Storage, shape: number[], strides: number[]) =>
    ({ shape, strides, offset: 0, dtype: 'float32', storage }) as const;
  const multiply = () =>
    products.matmul(
      matrix(x, [6, 10], [10, 1]),
      matrix(w, [10, 4], [1, 10]),
      NO_BIAS,
      { shape: [6, 4], dtype: 'float32' },
      out,
    );
  expect(multiply()).toBe(true);
  heap.memory.grow(1);
  expect(multiply()).toBe(true);
  expect([...out.data]).toEqual(Array.from({ length: 24 }, (_, i) => (i >= 4 && i < 8 ? 9 : 0)));
});

describe('compressed rows', () => {
  test.each(['loops', 'kernels'])('%s: products have the bits of the dense ones', (form) => {
    fc.assert(
      fc.property(cases, ({ rows, width, n, density, layout, start, share, transposed, seed }) => {
        const dense = Float32Array.from({ length: rows * width }, generator(seed, density));
        const first = Math.floor(start * (rows - 1));
        const m = Math.max(1, Math.round(share * (rows - first)));
        const inner = transposed ? m : width;
        const outer = transposed ? width : m;
        const room = memoryFor(5 * rows * width + inner * n + outer * n + 20_000);
        const take = (length: number) => room.at(room.take(length), length);
        const packed = packRows(() => dense, rows, width, 1, take)!;

        const values = Float32Array.from({ length: inner * n }, generator(seed + 1, 1));
        const [row, col] = layout === 'columns' ? [1, inner] : [n, 1];
        const [aRow, aCol] = transposed ? [1, width] : [width, 1];
        const expected = new Float32Array(outer * n);
        gemmLoops(outer, n, inner, dense, first * width, aRow, aCol, values, 0, row, col, expected, 0);

        const elements = transposed ? packTranspose(() => packed, first, m, take)! : packed;
        const from = transposed ? 0 : first;
        if (form === 'loops') {
          const b = Float32Array.from(
            { length: inner * n },
            (_, i) => values[Math.floor(i / n) * row + (i % n) * col]!,
          );
          const out = new Float32Array(outer * n).fill(7);
          rowsTimes(unpacked(elements), from, outer, n, { data: b, at: 0, step: n }, { data: out, at: 0, step: n });
          expect(bits(out)).toEqual(bits(expected));
          return;
        }
        let next = 0;
        const data =
          layout === 'elsewhere'
            ? values
            : room.at(
                room.take(inner * n, () => values[next++]!),
                inner * n,
              );
        const to = room.take(outer * n);
        const behind = room.take(4, () => 9);
        const engine = createSparse({ workspace: room.workspace });
        const target = { data: room.at(to, outer * n), offset: 0, bias: NO_BIAS };
        expect(engine.rowsTimes(elements, from, outer, n, { data, offset: 0, row, col }, target)).toBe(true);
        expect(bits(room.at(to, outer * n))).toEqual(bits(expected));
        expect([...room.at(behind, 4)]).toEqual([9, 9, 9, 9]);
      }),
      { numRuns: form === 'loops' ? 30 : 80 },
    );
  });

  test('the transpose of some rows has the rows that the transposed matrix has', () => {
    fc.assert(
      fc.property(cases, fc.nat(), fc.nat(), ({ rows, width, density, seed }, a, b) => {
        const dense = Float32Array.from({ length: rows * width }, generator(seed, density));
        const [first, end] = [a % (rows + 1), b % (rows + 1)].sort((p, q) => p - q) as [number, number];
        const k = end - first;
        const turned = Float32Array.from(
          { length: k * width },
          (_, i) => dense[(first + (i % k)) * width + Math.floor(i / k)]!,
        );
        const room = (length: number) => new Float32Array(length);
        const packed = packRows(() => dense, rows, width, 1, room)!;
        const [found, expected] = [
          packTranspose(() => packed, first, k, room)!,
          packRows(() => turned, width, k, 1, room)!,
        ];
        expect([found.rows, found.width, found.count]).toEqual([width, k, expected.count]);
        expect(partsOf(found)).toEqual(partsOf(expected));
      }),
      { numRuns: 20 },
    );
  });

  test('kernels find what the loops find, and write nowhere else', () => {
    fc.assert(
      fc.property(cases, fc.constantFrom(1, 0.5, 0.1), ({ rows, width, density, start, share, seed }, maxDensity) => {
        const dense = Float32Array.from({ length: rows * width }, generator(seed, density));
        const loops = packRows(
          () => dense,
          rows,
          width,
          maxDensity,
          (length) => new Float32Array(length),
        );
        const space = memoryFor(7 * rows * width + 6 * (rows + width) * (1 + (rows + width) / 64) + 1000);
        const packing = { memory: space.workspace.memory, kernel: compilePack(space.workspace.memory)! };
        let next = 0;
        const x = space.take(dense.length, () => dense[next++]!);
        const guarded: number[] = [];
        const room = (length: number) => {
          const at = space.take(length);
          guarded.push(space.take(4, () => 9) - 4 * 4);
          return space.at(at, length);
        };
        const kernels = packRows(() => space.at(x, dense.length), rows, width, maxDensity, room, packing);
        expect(kernels === null).toBe(loops === null);
        if (kernels === null || loops === null) return;
        expect(partsOf(kernels)).toEqual(partsOf(loops));
        const first = Math.floor(start * (rows - 1));
        const k = Math.round(share * (rows - first));
        const turned = packTranspose(
          () => loops,
          first,
          k,
          (length) => new Float32Array(length),
        )!;
        expect(partsOf(packTranspose(() => kernels, first, k, room, packing)!)).toEqual(partsOf(turned));
        for (const at of guarded) expect([...space.at(at, 8)]).toEqual([0, 0, 0, 0, 9, 9, 9, 9]);
      }),
      { numRuns: 60 },
    );
  });

  test('kernels see every element that is not finite', () => {
    const space = memoryFor(200);
    const packing = { memory: space.workspace.memory, kernel: compilePack(space.workspace.memory)! };
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (let place = 0; place < 6; place++) {
        const x = space.at(0, 6);
        x.fill(0)[place] = odd;
        expect(
          packRows(
            () => x,
            2,
            3,
            1,
            () => space.at(64, 20),
            packing,
          ),
        ).toBeNull();
      }
    }
  });

  test('are refused where elements are not finite, or too many are not 0', () => {
    const room = (length: number) => new Float32Array(length);
    expect(packRows(() => Float32Array.of(0, 1, 0, Number.NaN), 2, 2, 1, room)).toBeNull();
    expect(packRows(() => Float32Array.of(0, 1, 1, 0), 2, 2, 0.4, room)).toBeNull();
    expect(packRows(() => Float32Array.of(0, 1, 1, 0), 2, 2, 0.5, room)?.count).toBe(2);
    expect(
      packRows(
        () => Float32Array.of(0, 1, 1, 0),
        2,
        2,
        0.5,
        () => null,
      ),
    ).toBeNull();
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('leave a product with %d to the dense form', (odd) => {
    const room = memoryFor(1000);
    const packed = packRows(
      () => Float32Array.of(0, 1, 0, 2, 0, 0),
      3,
      2,
      1,
      (length) => room.at(room.take(length), length),
    )!;
    const engine = createSparse({ workspace: room.workspace });
    for (const place of [0, 5, 9]) {
      const b = room.at(
        room.take(10, () => 1),
        10,
      );
      b[place] = odd;
      const c = room.at(room.take(15), 15);
      const target = { data: c, offset: 0, bias: NO_BIAS };
      expect(engine.rowsTimes(packed, 0, 3, 5, { data: b, offset: 0, row: 5, col: 1 }, target)).toBe(false);
    }
  });
});
