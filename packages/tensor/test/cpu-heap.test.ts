// The heap: blocks never overlap, have room behind them, are used again, and are limited outside of scopes.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createHeap } from '../src/backends/cpu/heap.ts';
import type { CpuMemory } from '../src/backends/cpu/memory.ts';
import { backendOf } from '../src/device.ts';
import { chooseDevice, compressRows, Rng, rand, scope, type Tensor } from '../src/index.ts';
import { bitsOf } from './support/wasm.ts';

const PAGE = 65536;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
/** All garbage is gone, and those who waited for it have been told. */
async function collected(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  await new Promise((resolve) => setImmediate(resolve));
}

test('blocks are aligned, apart, and readable 16 bytes behind their end', () => {
  const requests = fc.array(fc.record({ bytes: fc.integer({ min: 0, max: 300_000 }), back: fc.nat(3) }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(requests, (list) => {
      const heap = createHeap({ limit: 8 * 2 ** 20 })!;
      const live: { block: NonNullable<ReturnType<typeof heap.take>>; bytes: number }[] = [];
      for (const { bytes, back } of list) {
        const block = heap.take(bytes);
        if (block !== null) {
          expect(block.address % 64).toBe(0);
          expect(block.address + bytes + 16).toBeLessThanOrEqual(heap.memory.buffer.byteLength);
          for (const other of live) {
            const apart =
              block.address >= other.block.address + other.bytes + 16 ||
              other.block.address >= block.address + bytes + 16;
            expect(apart).toBe(true);
          }
          live.push({ block, bytes });
        }
        if (back === 0 && live.length > 0) live.splice(bytes % live.length, 1)[0]!.block.end();
      }
      expect(heap.bytes.reached).toBeLessThanOrEqual(8 * 2 ** 20);
    }),
    { numRuns: 100 },
  );
});

test('a block given back is the next of its size', () => {
  const heap = createHeap()!;
  const first = heap.take(5000)!;
  heap.take(5000);
  first.end();
  expect(heap.take(5100)).toBe(first);
});

test('sizes that are asked for no more leave no holes: a batch that grows takes as much room as its last', () => {
  const heap = createHeap()!;
  let largest = 0;
  for (let round = 1; round <= 40; round++) {
    const sizes = [1, 0.3, 0.7, 0.1].map((part) => Math.ceil(part * round * 100_000));
    const blocks = sizes.map((bytes) => heap.take(bytes)!);
    largest = sizes.reduce((sum, bytes) => sum + bytes, 0);
    for (const block of blocks) block.end();
  }
  // Sizes are rounded up by a fourth at most, and memory grows ahead.
  expect(heap.memory.buffer.byteLength).toBeLessThan(2 * 1.25 * largest + 2 ** 20);
});

test('large blocks are hardly larger than need be', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2 ** 16, max: 2 ** 24 }), (bytes) => {
      const heap = createHeap()!;
      heap.take(bytes);
      expect(heap.bytes.reached).toBeLessThanOrEqual(Math.ceil((9 / 8) * (bytes + 16)));
    }),
    { numRuns: 50 },
  );
});

test('memory that nobody has touched is left alone while as much waits: loops whose sizes grow', () => {
  const heap = createHeap()!;
  heap.memory.grow(512);
  let largest = 0;
  for (let round = 1; round <= 30; round++) {
    const sizes = [1, 0.3, 0.7, 0.1, 0.1].map((part) => Math.ceil(part * round * 10_000));
    for (let step = 0; step < 1000; step++) {
      const blocks = sizes.map((bytes) => heap.take(bytes)!);
      for (const block of blocks) block.end();
    }
    largest = sizes.reduce((sum, bytes) => sum + bytes, 0);
  }
  expect(heap.bytes.reached).toBeLessThan(1.5 * largest);
});

test('beyond its limit there is none, and growing keeps what is there', () => {
  const heap = createHeap({ limit: 4 * PAGE })!;
  const storage = heap.storage('float32', 10)!;
  storage.data.set([1, 2, 3]);
  const before = heap.memory.buffer.byteLength;
  expect(heap.take(2.5 * PAGE)).not.toBe(null);
  expect(heap.memory.buffer.byteLength).toBeGreaterThan(before);
  expect(Array.from(storage.data.slice(0, 3))).toEqual([1, 2, 3]);
  expect(heap.take(3 * PAGE)).toBe(null);
  expect(heap.take(2 ** 31)).toBe(null);
});

test('nor is there room for intermediate values, until a block comes back', () => {
  const heap = createHeap({ limit: 4 * PAGE })!;
  const block = heap.take(2.5 * PAGE)!;
  expect(heap.reserve(PAGE)).toBeGreaterThanOrEqual(0);
  expect(heap.reserve(3 * PAGE)).toBe(undefined);
  block.end();
  expect(heap.reserve(3 * PAGE)).toBeGreaterThanOrEqual(0);
});

test('what outlives its scopes is counted, and beyond the limit copied out', () => {
  const heap = createHeap({ outside: 12_000 })!;
  const [a, b] = [heap.storage('float32', 2000)!, heap.storage('float32', 2000)!];
  for (const storage of [a, b]) storage.data.fill(7);
  a.outlive();
  b.outlive();
  expect([a.address >= 0, b.address >= 0]).toEqual([true, false]);
  expect(Array.from(b.data)).toEqual(Array.from(a.data));
  expect(heap.bytes.waiting).toBeGreaterThanOrEqual(8000);
  a.release();
  expect(heap.bytes.waiting).toBe(0);
});

describe('a block whose storage is lost', () => {
  const lose = (heap: NonNullable<ReturnType<typeof createHeap>>): number => {
    const storage = heap.storage('float32', 2000)!;
    storage.outlive();
    return storage.address;
  };

  test('comes back, the first that had it and any later one', async () => {
    const heap = createHeap()!;
    const first = heap.storage('float32', 2000)!;
    const { address } = first;
    first.outlive();
    first.release();
    for (let i = 0; i < 3; i++) {
      expect(lose(heap)).toBe(address);
      expect(heap.bytes.waiting).toBeGreaterThanOrEqual(8000);
      await collected();
      expect(heap.bytes.waiting).toBe(0);
    }
  });

  test('does not come back where its memory was given to others', async () => {
    const heap = createHeap({ limit: 4 * PAGE })!;
    const storages = Array.from({ length: 4 }, () => heap.storage('float32', 0.8 * (PAGE / 4))!);
    for (const storage of storages) storage.outlive();
    for (const storage of storages) storage.release();
    // Larger than any of them: they are joined.
    const whole = heap.take(3 * PAGE)!;
    await collected();
    expect([heap.bytes.waiting, heap.take(0.8 * PAGE)]).toEqual([0, null]);
    whole.end();
  });
});

describe('a result', () => {
  const x = rand([3000], new Rng(1));
  const again = () => scope(() => Array.from(x.mul(2).dataSync()));

  test('that leaves its scope keeps its elements, large or small', () => {
    const kept: Tensor[] = [scope(() => x.mul(2)), scope(() => x.mul(2).slice([0, 5]).copy())];
    for (let i = 0; i < 5; i++) again();
    expect(Array.from(kept[0]!.dataSync())).toEqual(again());
    expect(Array.from(kept[1]!.dataSync())).toEqual(again().slice(0, 5));
  });
});

// With operands in the heap, elsewhere, or some of each, the vectors and the loops give the same bits.
test('in a scope and out of it ops have the same bits', () => {
  const sizes = fc.constantFrom(1, 2, 3, 5, 8, 33, 100);
  const cases = fc.record({
    m: sizes,
    n: sizes,
    form: fc.constantFrom('same', 'row', 'column', 'scalar', 'transposed', 'sliced'),
    op: fc.constantFrom('add', 'sub', 'mul', 'div', 'maximum', 'minimum', 'lt', 'le', 'eq'),
    dtype: fc.constantFrom('float32' as const, 'float64' as const),
    seed: fc.nat(1000),
    swapped: fc.boolean(),
  });
  fc.assert(
    fc.property(cases, ({ m, n, form, op, dtype, seed, swapped }) => {
      const rng = new Rng(seed);
      const random = (...shape: number[]) => rand(shape, rng, { dtype, low: -1 });
      const wide = random(m, n + 1);
      const other = {
        same: () => random(m, n),
        row: () => random(n),
        column: () => random(m, 1),
        scalar: () => random(),
        transposed: () => random(n, m).transpose(),
        sliced: () => random(m, n + 2).slice(null, [1, n + 1]),
      }[form]();
      const threefold = random(3, m, n);
      const run = (x: Tensor, y: Tensor, cube: Tensor): Tensor[] => {
        const [a, b] = swapped ? [y, x] : [x, y];
        const z = a[op as 'add'](b);
        return [
          z,
          x.relu(),
          x.neg().abs().sqrt(),
          x.sum(),
          x.sum(0),
          x.sum(-1),
          x.max(0),
          x.min(1),
          x.add(y, { alpha: -0.3 }),
          x.slice([0, 1], [0, 1]).expand([m, n]).neg(),
          ...[1, [0, 1], [1, 2], [0, 2], []].flatMap((axes) => [cube.sum(axes), cube.max(axes), cube.min(axes)]),
          x.exp(),
          ...[0, -1].flatMap((axis) => [x.softmax(axis), x.logSoftmax(axis)]),
        ];
      };
      const x = wide.slice(null, [0, n]);
      const outside = run(x.copy(), other, threefold).map((t) => Array.from(t.dataSync()));
      const inside = scope(() => run(x.copy(), other.copy(), threefold.copy()).map((t) => Array.from(t.dataSync())));
      const mixed = scope(() => run(x, other, threefold).map((t) => Array.from(t.dataSync())));
      expect(inside).toEqual(outside);
      expect(mixed).toEqual(outside);
    }),
    { numRuns: 200 },
  );
});

describe('where the heap has no room for what is needed on the way', () => {
  const size = fc.integer({ min: 1, max: 40 });
  const results = (x: Tensor, y: Tensor, bias: Tensor, images: Tensor, filters: Tensor): Tensor[] => [
    x.matmul(y),
    x.matmul(y.transpose().copy().transpose()),
    x.matmul(x.transpose()),
    x.linear(y.transpose(), bias),
    x.linear(y.transpose().copy(), bias),
    compressRows(x.sub(0.4).relu()).matmul(y.transpose().copy().transpose()),
    x.matmul(y, { dtype: 'float64' }),
    x.matmul(x.transpose(), { dtype: 'float64' }),
    x.softmax(),
    x.logSoftmax(0),
    x.sum(0),
    images.sum([0, 2]),
    images.permute([3, 1, 0, 2]).copy(),
    images.conv2d(filters, { padding: 1 }),
    images.convTranspose2d(filters.transpose(0, 1), { stride: 2 }),
  ];
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test.each(['cpu', 'cpu-fma'] as const)('ops of the %s have the same bits', async (name) => {
    const device = await chooseDevice(name);
    const { heap } = backendOf(device).memory as CpuMemory;
    fc.assert(
      fc.property(size, fc.constantFrom(1, 7, 40, 700), size, fc.nat(), (m, k, n, seed) => {
        const rng = new Rng(seed);
        const random = (...shape: number[]) => rand(shape, rng, { low: -1, device });
        scope(() => {
          const operands = [random(m, k), random(k, n), random(n), random(2, 3, 9, 11), random(4, 3, 3, 3)] as const;
          const all = () => results(...operands).map((t) => bitsOf(t.dataSync() as Float32Array).toString('hex'));
          const expected = all();
          const reserve = vi.spyOn(heap!, 'reserve').mockReturnValue(undefined);
          expect(all()).toEqual(expected);
          expect(reserve).toHaveBeenCalled();
          reserve.mockRestore();
        });
      }),
      { numRuns: 30 },
    );
  });
});
