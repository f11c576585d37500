// What vectors do with strided views, against the loops, bit by bit: on two backends, of which one has no heap.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Operand } from '../src/backend.ts';
import { createCpuBackend } from '../src/backends/cpu/backend.ts';
import { createHeap } from '../src/backends/cpu/heap.ts';
import { CpuMemory } from '../src/backends/cpu/memory.ts';
import { Patience } from '../src/backends/cpu/patience.ts';
import { Strided } from '../src/backends/cpu/strided.ts';
import { arrayType, bytesOf, type TypedArray } from '../src/dtype.ts';
import { type DType, Rng, randn, scope } from '../src/index.ts';
import { type ComputeParams, type ComputePrimitive, type PrimitiveParams, specOf } from '../src/primitives.ts';
import { sizeOf } from '../src/shape.ts';
import { Storage } from '../src/storage.ts';
import { contiguousView, type Range, sliceView, type View, type Window, windowShape } from '../src/view.ts';
import { bitsOf, numbers } from './support/wasm.ts';

class NoHeap extends CpuMemory {
  override get heap() {
    return null;
  }
}
const memory = new CpuMemory();
const vectors = createCpuBackend('cpu', memory, new Patience(0));
const loops = createCpuBackend('cpu', new NoHeap());

/** Elements in memory, and how to look at them. */
interface Sample extends View {
  readonly dtype: DType;
  readonly data: TypedArray;
}

/** Numbers whose sums in float64, and then in float32, show the order in which they are formed: large ones cancel, small ones are lost beside them. */
const orderly = (seed: number): (() => number) => {
  const draw = numbers(seed);
  return () => [draw(), 2 ** 60, -(2 ** 60)][Math.floor(Math.abs(8 * draw())) % 3]!;
};

/** A view of this shape over numbers of its own: axes in any order, some of them repeated, reversed or with gaps between elements. */
const sampleOf = (shape: readonly number[], dtype: DType): fc.Arbitrary<Sample> => {
  const axes = shape.map((_, i) => i);
  const each = <T>(one: fc.Arbitrary<T>) => fc.tuple(...axes.map(() => one));
  const plain = { order: fc.constant(axes), steps: each(fc.constant(1)) };
  const any = {
    order: fc.oneof(fc.constant(axes), fc.shuffledSubarray(axes, { minLength: axes.length })),
    steps: each(fc.constantFrom(1, 1, 1, 1, 1, 0, -1, 2, 3)),
  };
  return fc.oneof(
    ...[plain, any, any].map((layout) =>
      fc.record({ ...layout, seed: fc.integer(), margin: fc.nat(3) }).map(({ order, steps, seed, margin }): Sample => {
        const strides = shape.map(() => 0);
        let [extent, offset] = [1, margin];
        for (const axis of order.toReversed()) {
          const step = steps[axis]!;
          strides[axis] = step * extent;
          if (step < 0) offset -= step * extent * Math.max(0, shape[axis]! - 1);
          extent *= step === 0 ? 1 : Math.abs(step) * Math.max(1, shape[axis]!);
        }
        const draw = seed % 2 === 0 ? numbers(seed, 'special') : orderly(seed);
        const data = new (arrayType(dtype))(extent + 2 * margin);
        for (let i = 0; i < data.length; i++) data[i] = dtype === 'bool' ? Number(draw() > 0) : draw();
        return { shape, strides, offset, dtype, data };
      }),
    ),
  );
};

/** Small and large axes, so that what is short is met as well as what is worth a kernel. */
const size = fc.oneof(fc.constantFrom(1, 2, 3, 4, 5, 8), fc.integer({ min: 0, max: 40 }));
const shapeOf = (minLength: number, maxLength: number) =>
  fc.array(size, { minLength, maxLength }).filter((shape) => sizeOf(shape) <= 20_000);

/** Runs a primitive on both backends, and expects the same bits. */
const expectSameBits = <P extends ComputePrimitive>(
  op: P,
  params: ComputeParams[P] & PrimitiveParams[P],
  samples: readonly Sample[],
): void => {
  scope(() => {
    const placed = samples.map(({ data, ...x }): Operand => {
      const storage = memory.take(x.dtype, data.length);
      storage.data.set(data);
      expect(storage.address).toBeGreaterThanOrEqual(0);
      return { ...x, storage };
    });
    const apart = samples.map(({ data, ...x }): Operand => ({ ...x, storage: new Storage(x.dtype, data.slice()) }));
    const out = specOf(op, params, samples);
    const found = vectors.kernels[op](params, placed, out).data.slice();
    const expected = loops.kernels[op](params, apart, out).data;
    expect(bitsOf(found).equals(bitsOf(expected as typeof found))).toBe(true);
  });
};

const runs = { numRuns: 250 };
const float = fc.constantFrom<DType>('float32', 'float32', 'float64');
const stored = fc.constantFrom<DType>('float32', 'float32', 'float64', 'int32', 'bool');

describe('has the bits of the loops:', () => {
  test('a copy', () => {
    const sample = fc.tuple(shapeOf(0, 6), stored).chain(([shape, dtype]) => sampleOf(shape, dtype));
    fc.assert(
      fc.property(sample, (x) => expectSameBits('copy', {}, [x])),
      runs,
    );
  });

  test('what is written into a part of a tensor', () => {
    const range = (length: number): fc.Arbitrary<[Range, number]> =>
      fc.tuple(fc.nat(3), fc.nat(3), fc.constantFrom(1, 1, 1, 2, 3, -1, -2)).map(([before, after, step]) => {
        const reach = length === 0 ? 0 : Math.abs(step) * (length - 1) + 1;
        return [{ start: step < 0 && length > 0 ? before + reach - 1 : before, step, length }, before + reach + after];
      });
    const problem = fc
      .tuple(shapeOf(1, 5), stored)
      .chain(([shape, dtype]) => fc.tuple(sampleOf(shape, dtype), fc.tuple(...shape.map(range))));
    fc.assert(
      fc.property(problem, fc.constantFrom(0, 1, -0), ([x, along], fill) => {
        const params = { shape: along.map(([, length]) => length), ranges: along.map(([one]) => one), fill };
        expectSameBits('embed', params, [x]);
      }),
      runs,
    );
  });

  test.each([
    [
      [0, 2],
      [0, 0],
    ],
    [
      [1, 1],
      [0, 0],
    ],
    [
      [0, 0],
      [1, 2],
    ],
  ] as const)('a transposed matrix, with %j rows and %j columns around it', (...around) => {
    const shape = [10, 21];
    const data = Float32Array.from({ length: 210 }, (_, i) => i);
    const ranges = shape.map((length, i): Range => ({ start: around[i]![0], step: 1, length }));
    const wide = shape.map((length, i) => length + around[i]![0] + around[i]![1]);
    const x: Sample = { shape, strides: [1, 10], offset: 0, dtype: 'float32', data };
    expectSameBits('embed', { shape: wide, ranges, fill: 7 }, [x]);
  });

  test('windows added up', () => {
    const windowOf = (axis: number): fc.Arbitrary<Window> =>
      fc.record({
        axis: fc.constant(axis),
        size: fc.integer({ min: 1, max: 4 }),
        stride: fc.integer({ min: 1, max: 3 }),
        dilation: fc.integer({ min: 1, max: 2 }),
      });
    const problem = shapeOf(1, 4).chain((shape) => {
      const last = shape.map((_, i) => i);
      const axes = fc.oneof(
        fc.integer({ min: 1, max: shape.length }).map((n) => last.slice(-n)),
        fc.shuffledSubarray(last),
      );
      return axes
        .chain((some) => fc.tuple(...some.map(windowOf)))
        .chain((windows) => sampleOf(windowShape(shape, windows), 'float32').map((x) => ({ shape, windows, x })));
    });
    fc.assert(
      fc.property(problem, ({ shape, windows, x }) => expectSameBits('fold', { shape, windows }, [x])),
      { numRuns: 500 },
    );
  });

  test.each(['add', 'div', 'minimum'] as const)('%s, of operands that repeat along some axes', (op) => {
    const pair = fc
      .tuple(shapeOf(1, 5), float)
      .chain(([shape, dtype]) => fc.tuple(sampleOf(shape, dtype), sampleOf(shape, dtype)));
    fc.assert(
      fc.property(pair, ([a, b]) => expectSameBits(op, {}, [a, b])),
      runs,
    );
  });

  test('a comparison, a choice, and a + s b', () => {
    const three = shapeOf(1, 4).chain((shape) =>
      fc.tuple(sampleOf(shape, 'float32'), sampleOf(shape, 'float32'), sampleOf(shape, 'bool')),
    );
    fc.assert(
      fc.property(three, fc.float({ noNaN: true }), ([a, b, condition], scale) => {
        expectSameBits('le', {}, [a, b]);
        expectSameBits('reluBackward', {}, [a, b]);
        expectSameBits('where', {}, [condition, a, b]);
        expectSameBits('addScaled', { scale }, [a, b]);
      }),
      runs,
    );
  });

  test('maps of one operand, and softmax along any axis', () => {
    const sample = fc
      .tuple(shapeOf(1, 4), float)
      .chain(([shape, dtype]) => fc.tuple(sampleOf(shape, dtype), fc.nat(shape.length - 1)));
    fc.assert(
      fc.property(sample, ([x, axis]) => {
        expectSameBits('cast', { dtype: x.dtype === 'float32' ? 'float64' : 'float32' }, [x]);
        for (const op of ['neg', 'relu', 'exp'] as const) expectSameBits(op, {}, [x]);
        for (const op of ['softmax', 'logSoftmax'] as const) expectSameBits(op, { axis }, [x]);
      }),
      runs,
    );
  });

  test.each(['sum', 'max', 'min'] as const)('%s, over any axes', (op) => {
    const problem = shapeOf(1, 5).chain((shape) =>
      fc.tuple(sampleOf(shape, 'float32'), fc.subarray(shape.map((_, i) => i)), fc.boolean()),
    );
    fc.assert(
      fc.property(problem, ([x, axes, keepDims]) => expectSameBits(op, { axes, keepDims }, [x])),
      runs,
    );
  });
});

test.each([
  [1, 20, 6000, 90],
  [3, 17, 15_000, 37],
  [1, 16, 17_000, 33],
])(
  '%i products of %i x %i and a large transposed matrix of %i rows have the bits of those of its copy',
  (count, m, k, n) => {
    scope(() => {
      const [a, b] = [randn([count, m, k], new Rng(m)), randn([count, n, k], new Rng(n))];
      const found = a.matmul(b.transpose()).dataSync();
      expect(bitsOf(found).equals(bitsOf(a.matmul(b.transpose().copy()).dataSync()))).toBe(true);
    });
  },
);

test('the kernels write nothing but their result and their scratch', () => {
  const heap = createHeap()!;
  const strided = new Strided(heap);
  const problem = fc
    .tuple(shapeOf(1, 5), fc.constantFrom<DType>('float32', 'float64'))
    .chain(([shape, dtype]) =>
      fc.tuple(sampleOf(shape, dtype), fc.tuple(...shape.map(() => fc.integer({ min: 1, max: 2 })))),
    );
  fc.assert(
    fc.property(problem, ([{ data, ...view }, steps]) => {
      const { shape, dtype } = view;
      const x = heap.storage(dtype, data.length)!;
      x.data.set(data);
      const wide = shape.map((n, i) => n * steps[i]!);
      const ranges = shape.map((length, i): Range => ({ start: 0, step: steps[i]!, length }));
      const to = sliceView(contiguousView(wide), ranges);
      const result = heap.storage(dtype, sizeOf(wide))!;
      const sums = heap.storage('float32', sizeOf(shape))!;
      // Rows of windows of one element, which is each element once.
      const windows: Window[] = [{ axis: shape.length - 1, size: 1, stride: 1, dilation: 1 }];
      const operand = { ...view, storage: x };
      const rows = { ...operand, shape: [...shape, 1], strides: [...view.strides, 1] };
      const scratch = heap.reserve(65_536)!;
      const before = new Uint8Array(heap.memory.buffer).slice();
      strided.copy(operand, to, result);
      strided.fold(rows, windows, shape, sums);
      const after = new Uint8Array(heap.memory.buffer).slice();
      const spare = (address: number, bytes: number) => before.set(after.subarray(address, address + bytes), address);
      spare(result.address, bytesOf(dtype) * result.length);
      spare(sums.address, 4 * sums.length);
      spare(scratch, 65_536);
      expect(Buffer.compare(before, after)).toBe(0);
      for (const storage of [x, result, sums]) storage.release();
    }),
    { numRuns: 40 },
  );
});
