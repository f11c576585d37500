// slidingWindows, unfold and fold: im2col and its adjoint, against the definitions and each other.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arange, devices, errors, ones, type Tensor, tensor, zeros } from '../src/index.ts';
import { expectModel, leavingUntouched, thrown } from './support/expect.ts';
import { at, indicesOf, type Model, tabulate } from './support/model.ts';
import { anySample } from './support/samples.ts';
import { type AxisPlan, countOf, placeOf, wholes, windowPlans } from './support/windows.ts';

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const inner = (a: Tensor, b: Tensor) => a.mul(b).sum().item() as number;

/** Column l, row (c, k) is what window l sees of channel c at its place k: 0 in the padding. */
function columns(x: Model, axes: readonly AxisPlan[]): Model {
  const [n, channels] = x.shape as [number, number];
  const places = [...indicesOf(axes.map((a) => a.size))];
  const windows = [...indicesOf(axes.map(countOf))];
  return tabulate([n, channels * places.length, windows.length], x.dtype, ([i, row, l]) => {
    const channel = Math.floor(row! / places.length);
    const k = places[row! % places.length]!;
    const place = axes.map((a, j) => placeOf(a, windows[l!]![j]!, k[j]!));
    return place.every((p, j) => p >= 0 && p < axes[j]!.length) ? at(x, [i!, channel, ...place]) : 0;
  });
}

const problems = fc.tuple(fc.constantFrom(1, 2, 2, 3), fc.nat(2), fc.nat(2)).chain(([d, n, channels]) =>
  windowPlans(d, d === 3 ? 2 : 5).chain((plan) => {
    const lengths = plan.axes.map((a) => a.length);
    const count = size(plan.axes.map(countOf));
    return fc.record({
      plan: fc.constant(plan),
      lengths: fc.constant(lengths),
      x: wholes([n, channels, ...lengths]),
      y: wholes([n, channels * size(plan.kernelSize), count]),
    });
  }),
);

describe.each(devices)('%s', (device) => {
  test('unfold lays every window out as a column', () => {
    fc.assert(
      fc.property(problems, ({ plan, x }) => {
        const input = x.on(device);
        const found = leavingUntouched([input], () => input.unfold(plan.kernelSize, plan.options));
        expectModel(found, columns(x.model, plan.axes));
      }),
    );
  });

  test('fold is its adjoint', () => {
    fc.assert(
      fc.property(problems, ({ plan, x, y, lengths }) => {
        const [input, output] = [x.on(device), y.on(device)];
        const folded = output.fold(lengths, plan.kernelSize, plan.options);
        expect(folded.shape).toEqual(input.shape);
        expect(inner(input.unfold(plan.kernelSize, plan.options), output)).toBe(inner(input, folded));
      }),
    );
  });

  test('to unfold and fold is to multiply each element by the number of windows that see it', () => {
    fc.assert(
      fc.property(problems, ({ plan, x, lengths }) => {
        const round = (t: Tensor) =>
          t.unfold(plan.kernelSize, plan.options).fold(lengths, plan.kernelSize, plan.options);
        const input = x.on(device);
        const seen = round(ones(input.shape, { dtype: 'float64', device }));
        expect(round(input).toArray()).toEqual(input.mul(seen).add(0).toArray());
      }),
      { numRuns: 50 },
    );
  });

  test('conv is a product with unfold', () => {
    const x = arange(2 * 3 * 5 * 4)
      .cast('float64')
      .reshape([2, 3, 5, 4])
      .to(device);
    const w = arange(4 * 3 * 2 * 3)
      .cast('float64')
      .reshape([4, 3, 2, 3])
      .to(device);
    const options = {
      stride: [1, 2],
      padding: [
        [0, 1],
        [2, 0],
      ] as [number, number][],
    };
    const y = w.reshape([4, 18]).matmul(x.unfold([2, 3], options));
    expect(y.reshape([2, 4, 5, 2]).toArray()).toEqual(x.conv2d(w, options).toArray());
  });

  test('slidingWindows of any axes, in the order named', () => {
    const shapes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 3 });
    const cases = anySample(undefined, shapes).chain((x) =>
      fc.shuffledSubarray([...x.model.shape.keys()]).chain((axes) =>
        fc.record({
          x: fc.constant(x),
          axes: fc.constant(axes),
          sizes: fc.tuple(...axes.map((a) => fc.integer({ min: 1, max: x.model.shape[a]! }))),
          strides: fc.tuple(...axes.map(() => fc.constantFrom(1, 2, 3, 2 ** 60))),
        }),
      ),
    );
    fc.assert(
      fc.property(cases, fc.boolean(), ({ x, axes, sizes, strides }, negative) => {
        const { shape, dtype } = x.model;
        const steps = shape.map((_, axis) => strides[axes.indexOf(axis)] ?? 1);
        const counts = shape.map((d, axis) => {
          const n = axes.indexOf(axis);
          return n < 0 ? d : Math.floor((d - sizes[n]!) / strides[n]!) + 1;
        });
        const expected = tabulate([...counts, ...sizes], dtype, (index) => {
          const place = shape.map((_, axis) => {
            const n = axes.indexOf(axis);
            return index[axis]! * steps[axis]! + (n < 0 ? 0 : index[shape.length + n]!);
          });
          return at(x.model, place);
        });
        const named = axes.map((a) => (negative ? a - shape.length : a));
        const input = x.on(device);
        const found = input.slidingWindows(sizes, named, { stride: strides });
        expectModel(found, expected);
        expect(found.storage).toBe(input.storage);
      }),
    );
  });

  test('slidingWindows by hand', () => {
    const x = arange(6).to(device);
    expect(x.slidingWindows(3).toArray()).toEqual([
      [0, 1, 2],
      [1, 2, 3],
      [2, 3, 4],
      [3, 4, 5],
    ]);
    expect(x.slidingWindows(2, 0, { stride: 2, dilation: 2 }).toArray()).toEqual([
      [0, 2],
      [2, 4],
    ]);
    expect(x.reshape([2, 3]).slidingWindows(2).toArray()).toEqual([
      [
        [
          [0, 1],
          [3, 4],
        ],
        [
          [1, 2],
          [4, 5],
        ],
      ],
    ]);
    expect(x.reshape([2, 3]).slidingWindows(2, []).shape).toEqual([2, 3]);
  });

  test('fold counts truths as integers, and wraps', () => {
    const truths = ones([1, 2, 3], { dtype: 'bool', device }).fold([4], 2);
    expect([truths.dtype, truths.toArray()]).toEqual(['int32', [[[1, 2, 2, 1]]]]);
    const large = ones([1, 2, 2], { dtype: 'int32', device })
      .mul(2 ** 30)
      .fold([3], 2);
    expect(large.toArray()).toEqual([[[2 ** 30, -(2 ** 31), 2 ** 30]]]);
  });

  test('float32 sums of windows are rounded once', () => {
    // One at a time, 2^24 would swallow each 1 that comes after it.
    const x = tensor(
      [
        [
          [1, 1, 1, 2 ** 24],
          [1, 1, 1, 1],
          [1, 1, 1, 1],
          [1, 1, 1, 1],
        ],
      ],
      { device },
    );
    expect(x.fold([1], 4, { padding: 3 }).item()).toBe(2 ** 24 + 4);
  });
});

describe('errors', () => {
  const x = zeros([2, 3, 4]);
  const failing: Record<string, [() => unknown, keyof typeof errors, string]> = {
    'a window larger than its axis': [
      () => x.slidingWindows(4, 1),
      'WindowError',
      'slidingWindows: a window that reaches over 4 elements does not fit into the 3 of spatial axis 0 (3 and padding 0 + 0)',
    ],
    'an axis named twice': [
      () => x.slidingWindows(1, [0, -3]),
      'AxisError',
      'slidingWindows: an axis is named twice in [0,-3] for rank 3',
    ],
    'an axis that is not there': [
      () => x.slidingWindows(1, 3),
      'AxisError',
      'slidingWindows: axis 3 is out of range for rank 3; valid axes are -3..2',
    ],
    'nothing spatial to unfold': [
      () => zeros([2, 3]).unfold(1),
      'ShapeError',
      'unfold: wants [N, C, ...spatial], found [2,3]',
    ],
    'a window of nothing': [
      () => x.unfold(0),
      'WindowError',
      'unfold: kernelSize is an integer of at least 1; found 0',
    ],
    'columns of another number': [
      () => x.fold([4], 3),
      'ShapeError',
      'fold: [4] has 2 windows of 3 elements: wants [N, C * 3, 2], found [2,3,4]',
    ],
    'rows that are no whole windows': [
      () => x.fold([5], 2),
      'ShapeError',
      'fold: [5] has 4 windows of 2 elements: wants [N, C * 2, 4], found [2,3,4]',
    ],
    'a size that is no shape': [
      () => x.fold(4 as unknown as number[], 2),
      'ShapeError',
      'fold: a shape is an array of sizes, found 4; did you mean [4]?',
    ],
  };
  test.each(Object.keys(failing))('%s', (what) => {
    const [fn, kind, message] = failing[what]!;
    const error = thrown(fn) as errors.GemlabError;
    expect(error).toBeInstanceOf(errors[kind]);
    expect(error.message).toBe(message);
    expect(Object.keys(error.fields).length).toBeGreaterThan(0);
  });
});
