// Making tensors: every form of data, its shape and dtype, and what is refused; counts and values of the ranges.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  arange,
  devices,
  errors,
  eye,
  fromBuffer,
  full,
  linspace,
  type Nested,
  ones,
  type Tensor,
  tensor,
  zeros,
} from '../src/index.ts';
import { thrown } from './support/expect.ts';
import { shapes } from './support/samples.ts';

const spec = (t: Tensor) => [t.dtype, t.shape];

describe.each(devices)('%s', (device) => {
  test('nested arrays come back as they went in', () => {
    const nested = shapes(0, 3).chain((shape) =>
      shape.reduceRight<fc.Arbitrary<Nested>>(
        (inner, d) => fc.array(inner, { minLength: d, maxLength: d }),
        fc.float({ noDefaultInfinity: false }),
      ),
    );
    fc.assert(
      fc.property(nested, (data) => {
        expect(tensor(data, { device }).toArray()).toEqual(data);
      }),
    );
    expect(spec(tensor([], { device }))).toEqual(['float32', [0]]);
    expect(spec(tensor([[], []], { device }))).toEqual(['float32', [2, 0]]);
  });

  test('the dtype is seen in the data', () => {
    expect(spec(tensor(1, { device }))).toEqual(['float32', []]);
    expect(spec(tensor([[1, 2]], { device }))).toEqual(['float32', [1, 2]]);
    expect(spec(tensor([true, false], { device }))).toEqual(['bool', [2]]);
    expect([spec(tensor([true, 2], { device })), tensor([true, 2], { device }).toArray()]).toEqual([
      ['float32', [2]],
      [1, 2],
    ]);
    expect(spec(tensor(Float64Array.of(1), { device }))).toEqual(['float64', [1]]);
    expect(spec(tensor(Int32Array.of(1), { device }))).toEqual(['int32', [1]]);
    expect(spec(tensor(Uint8Array.of(200), { device }))).toEqual(['float32', [1]]);
    expect(spec(tensor(Uint8ClampedArray.of(200), { device, dtype: 'int32' }))).toEqual(['int32', [1]]);
    expect(tensor([1.9, -1.9, Number.NaN], { dtype: 'int32', device }).toArray()).toEqual([1, -1, 0]);
  });

  test('a shape may be given beside any data', () => {
    const values = [1, 2, 3, 4, 5, 6];
    for (const data of [values, Float32Array.from(values), tensor(values, { device })]) {
      expect(tensor(data, { shape: [2, 3], device }).toArray()).toEqual([
        [1, 2, 3],
        [4, 5, 6],
      ]);
      expect(tensor(data, { shape: [3, -1], device }).shape).toEqual([3, 2]);
      expect(() => tensor(data, { shape: [4], device })).toThrow(errors.ShapeError);
    }
    expect(thrown(() => tensor(Float32Array.from(values), { shape: [4], device })).message).toBe(
      'tensor: [6] has 6 elements, [4] has 4',
    );
  });

  test('typed arrays and tensors are copied, not shared', () => {
    const data = Float32Array.of(1, 2);
    const x = tensor(data, { device });
    data[0] = 9;
    expect(x.toArray()).toEqual([1, 2]);
    const out = x.dataSync();
    out[0] = 9;
    expect(x.toArray()).toEqual([1, 2]);
  });

  test('fromBuffer takes over the memory of an array, and copies where it cannot', () => {
    for (const [array, dtype] of [
      [Float64Array.of(1, 2, 3, 4), 'float64'],
      [Float32Array.of(1, 2, 3, 4), 'float32'],
      [Int32Array.of(1, 2, 3, 4), 'int32'],
    ] as const) {
      const x = fromBuffer(array, { shape: [2, -1], device });
      expect([x.dtype, x.toArray()]).toEqual([
        dtype,
        [
          [1, 2],
          [3, 4],
        ],
      ]);
      expect(array.length).toBe(0);
    }
    const memory = new Float32Array(6).fill(5);
    const shared = new Float32Array(new SharedArrayBuffer(8));
    for (const part of [memory.subarray(2, 5), shared, new Float32Array(0)]) {
      const before = [...part];
      const x = fromBuffer(part, { device });
      part.fill(9);
      expect(x.toArray()).toEqual(before);
    }
    expect(memory).toEqual(Float32Array.of(5, 5, 9, 9, 9, 5));
    const kept = Float32Array.of(1, 2);
    expect(() => fromBuffer(kept, { shape: [3], device })).toThrow(errors.ShapeError);
    expect([...kept]).toEqual([1, 2]);
    const bytes = Uint8Array.of(1) as unknown as Int32Array;
    expect(thrown(() => fromBuffer(bytes, { device })).message).toMatch(
      /expected a Float64Array, .* found an Uint8Array/,
    );
  });

  test('a tensor as data changes dtype or device', () => {
    const x = tensor([1.5, 2.5], { device });
    expect(tensor(x)).toBe(x);
    expect(spec(tensor(x, { dtype: 'int32' }))).toEqual(['int32', [2]]);
    expect(tensor(x, { device: 'reference' }).device).toBe('reference');
    expect(tensor(x).device).toBe(device);
  });

  test.each<[string, unknown, string]>([
    ['two lengths', [[1, 2], [3]], 'tensor: ragged data: expected an array of 2 at [1], found an array of 1'],
    ['a number among arrays', [[1], 2], 'tensor: ragged data: expected an array of 1 at [1], found 2'],
    ['an array among numbers', [1, [2]], 'tensor: expected a number or boolean at [1], found an array of 1'],
    [
      'a deep gap',
      [
        [[1], [2]],
        [[3], [4, 5]],
      ],
      'tensor: ragged data: expected an array of 1 at [1][1], found an array of 2',
    ],
    ['text', ['a'], "tensor: expected a number or boolean at [0], found 'a'"],
    ['null', [1, null], 'tensor: expected a number or boolean at [1], found null'],
    // biome-ignore lint/suspicious/noSparseArray: the hole is the case.
    ['a hole', [1, , 3], 'tensor: expected a number or boolean at [1], found undefined'],
    ['nothing', undefined, 'tensor: expected a number or boolean at the top level, found undefined'],
    ['an object', { x: 1 }, 'tensor: expected a number or boolean at the top level, found an Object'],
    ['a function', Math.max, 'tensor: expected a number or boolean at the top level, found a function'],
    ['typed rows', [Float32Array.of(1)], 'tensor: expected a number or boolean at [0], found a Float32Array'],
    ['big integers', BigInt64Array.of(1n), 'tensor: expected an array of numbers, found a BigInt64Array'],
    [
      'bytes without a type',
      new DataView(new ArrayBuffer(4)),
      'tensor: expected an array of numbers, found a DataView',
    ],
  ])('refuses %s', (_, data, message) => {
    const error = thrown(() => tensor(data as Nested, { device }));
    expect(error.message).toBe(message);
    expect(error).toBeInstanceOf(errors.DataError);
  });

  test('full, zeros, ones, eye', () => {
    expect([
      full([2], 7, { device }).toArray(),
      zeros([1, 2], { device }).toArray(),
      ones([], { device }).item(),
    ]).toEqual([[7, 7], [[0, 0]], 1]);
    expect([spec(full([1], true, { device })), spec(full([1], 2.9, { dtype: 'int32', device }))]).toEqual([
      ['bool', [1]],
      ['int32', [1]],
    ]);
    expect(full([1], 2.9, { dtype: 'int32', device }).item()).toBe(2);
    expect(eye(2, 3, { device }).toArray()).toEqual([
      [1, 0, 0],
      [0, 1, 0],
    ]);
    expect([eye(2, 2, { dtype: 'bool', device }).toArray(), eye(0, 0, { device }).shape]).toEqual([
      [
        [true, false],
        [false, true],
      ],
      [0, 0],
    ]);
    expect(zeros([3], { device }).isContiguous).toBe(true);
  });

  test.each([
    ['zeros', () => zeros([2, -1], { device }), 'zeros: a size must be a non-negative integer, found -1 in [2,-1]'],
    ['ones', () => ones([1.5], { device }), 'ones: a size must be a non-negative integer, found 1.5 in [1.5]'],
    [
      'full',
      () => full(3 as unknown as number[], 0, { device }),
      'full: a shape is an array of sizes, found 3; did you mean [3]?',
    ],
    ['eye', () => eye(-1, -1, { device }), 'eye: a size must be a non-negative integer, found -1 in [-1,-1]'],
    [
      'linspace',
      () => linspace(0, 1, 2.5, { device }),
      'linspace: a size must be a non-negative integer, found 2.5 in [2.5]',
    ],
    [
      'arange',
      () => arange(0, 1, 0, { device }),
      'arange: wants finite numbers and a step other than 0, found 0, 1, 0',
    ],
    [
      'full',
      () => full([2 ** 40, 2 ** 40], 0, { device }),
      `full: shape [${2 ** 40},${2 ** 40}] has more elements than can be counted`,
    ],
  ])('%s refuses a shape that is none', (_, fn, message) => {
    expect(thrown(fn).message).toBe(message);
    expect(thrown(fn)).toBeInstanceOf(errors.ShapeError);
  });

  test('arange counts from start by step, up to but not including stop', () => {
    const integer = fc.integer({ min: -20, max: 20 });
    fc.assert(
      fc.property(integer, integer, integer, (start, stop, step) => {
        if (step === 0) return;
        const expected: number[] = [];
        for (let v = start; step > 0 ? v < stop : v > stop; v += step) expected.push(v);
        expect(arange(start, stop, step, { device }).toArray()).toEqual(expected);
      }),
    );
    expect(arange(4, undefined, 1, { device }).toArray()).toEqual([0, 1, 2, 3]);
    expect([spec(arange(3, undefined, 1, { device })), spec(arange(0, 3, 0.5, { device }))]).toEqual([
      ['int32', [3]],
      ['float32', [6]],
    ]);
    expect(arange(0, 1, 0.25, { dtype: 'float64', device }).toArray()).toEqual([0, 0.25, 0.5, 0.75]);
    // What int32 cannot hold is not int32. NumPy's count: (1.3 - 1) / 0.1 rounds to more than 3.
    expect(spec(arange(2 ** 31, 2 ** 31 + 3, 1, { device }))).toEqual(['float32', [3]]);
    expect(arange(1, 1.3, 0.1, { device }).shape).toEqual([4]);
  });

  test('linspace has both ends exactly', () => {
    const end = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((v) => v + 0);
    fc.assert(
      fc.property(end, end, fc.integer({ min: 2, max: 9 }), (start, stop, count) => {
        const values = Array.from(linspace(start, stop, count, { dtype: 'float64', device }).dataSync());
        expect([values[0], values.at(-1), values.length]).toEqual([start, stop, count]);
        const steps = values.slice(1).map((v, i) => v - values[i]!);
        // Each value is rounded twice.
        const slack = 4 * (2 ** -52 * (Math.abs(start) + Math.abs(stop)) + 2 ** -1074);
        for (const step of steps) expect(Math.abs(step - (stop - start) / (count - 1))).toBeLessThanOrEqual(slack);
      }),
    );
    expect([linspace(3, 9, 1, { device }).toArray(), linspace(3, 9, 0, { device }).toArray()]).toEqual([[3], []]);
  });
});
