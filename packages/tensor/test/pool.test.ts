// Pooling against windows walked one by one, and the laws that tie its kinds together.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { devices, errors, full, Rng, randn, type Tensor, tensor, zeros } from '../src/index.ts';
import { expectModel, leavingUntouched, thrown } from './support/expect.ts';
import { at, type Index, indicesOf, type Model, tabulate, ulp } from './support/model.ts';
import { anyValue, type Sample, samples } from './support/samples.ts';
import { type AxisPlan, placeOf, reach, type WindowPlan, wholes, windowPlans } from './support/windows.ts';

type Kind = 'maxPool' | 'avgPool' | 'adaptiveMaxPool' | 'adaptiveAvgPool';
const pool = (name: Kind, x: Tensor, d: number, ...args: unknown[]): Tensor =>
  (x[`${name}${d}d` as 'maxPool1d'] as (...args: unknown[]) => Tensor)(...args);
const lpPool = (x: Tensor, d: number, ...args: [number, number[], object]): Tensor =>
  x[`lpPool${d}d` as 'lpPool1d'](...args);

/** Windows that fit, and in ceilMode one more if those end early and it starts before the padding behind. */
function countOf(a: AxisPlan, ceilMode: boolean): number {
  const room = a.before + a.length + a.after;
  let count = 0;
  while (count * a.stride + reach(a) <= room) count++;
  const early = (count - 1) * a.stride + reach(a) < room;
  return ceilMode && early && count * a.stride < a.before + a.length ? count + 1 : count;
}

interface Seen {
  /** Elements of the axis in the window. */
  readonly values: number[];
  /** How many places of it lie in the axis or its padding. */
  readonly counted: number;
}

/** Each window of the last axes of x, folded. */
function pooled(
  x: Model,
  axes: readonly AxisPlan[],
  ceilMode: boolean,
  fold: (seen: Seen) => number,
  dtype = x.dtype,
): Model {
  const lead = x.shape.length - axes.length;
  const shape = [...x.shape.slice(0, lead), ...axes.map((a) => countOf(a, ceilMode))];
  return tabulate(shape, dtype, (index) => {
    const values: number[] = [];
    let counted = 0;
    for (const k of indicesOf(axes.map((a) => a.size))) {
      const place: Index = axes.map((a, i) => placeOf(a, index[lead + i]!, k[i]!));
      if (place.every((p, i) => p < axes[i]!.length + axes[i]!.after)) counted++;
      if (place.every((p, i) => p >= 0 && p < axes[i]!.length)) values.push(at(x, [...index.slice(0, lead), ...place]));
    }
    return fold({ values, counted });
  });
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const largest = ({ values }: Seen) => Math.max(...values);
/** Two roundings, of the sum and of the quotient. */
const rounded = (m: Model): Model => ({ ...m, slack: m.values.map((v) => 2 * ulp(v, m.dtype)) });

interface Problem extends WindowPlan {
  readonly d: number;
  readonly ceilMode: boolean;
  readonly x: Sample;
}
const problems = (values: (shape: number[]) => fc.Arbitrary<Sample>): fc.Arbitrary<Problem> =>
  fc
    .tuple(fc.constantFrom(1, 2, 2, 3), fc.array(fc.nat(2), { maxLength: 2 }), fc.boolean())
    .chain(([d, lead, ceilMode]) =>
      windowPlans(d, d === 3 ? 2 : 5).chain((plan) =>
        values([...lead, ...plan.axes.map((a) => a.length)]).map((x) => ({ ...plan, d, ceilMode, x })),
      ),
    );

/** Windows of which each sees an element: a dilated one may straddle them all. */
const undilated = (values: (shape: number[]) => fc.Arbitrary<Sample>) =>
  problems(values).filter(({ axes }) => axes.every((a) => a.dilation === 1));

const close = (a: Tensor, b: Tensor, slack = 0) => {
  expect([a.dtype, ...a.shape]).toEqual([b.dtype, ...b.shape]);
  const [found, expected] = [a.dataSync(), b.dataSync()];
  found.forEach((v, i) => {
    expect(Math.abs(v - expected[i]!)).toBeLessThanOrEqual(slack * Math.abs(expected[i]!));
  });
};

describe.each(devices)('%s', (device) => {
  test.each(['float64', 'float32', 'int32'] as const)('maxPool takes the largest of each window (%s)', (dtype) => {
    fc.assert(
      fc.property(
        problems((shape) => samples(dtype, shape, anyValue(dtype))),
        ({ d, x, axes, kernelSize, options, ceilMode }) => {
          const input = x.on(device);
          const found = leavingUntouched([input], () =>
            pool('maxPool', input, d, kernelSize, { ...options, ceilMode }),
          );
          // A dilated window may see no element at all: then there is only padding.
          const lowest = dtype === 'int32' ? -(2 ** 31) : Number.NEGATIVE_INFINITY;
          expectModel(
            found,
            pooled(x.model, axes, ceilMode, (seen) => Math.max(largest(seen), lowest)),
          );
        },
      ),
      { numRuns: dtype === 'float64' ? 80 : 30 },
    );
  });

  test('its indices say where, counted over the pooled axes', () => {
    fc.assert(
      fc.property(
        undilated((shape) => samples('float64', shape, anyValue('float64'))),
        ({ d, x, kernelSize, options, ceilMode }) => {
          const how = { ...options, ceilMode };
          const input = x.on(device);
          const { values, indices } = input[`maxPool${d as 1}dWithIndices`](kernelSize, how);
          expect(values.toArray()).toEqual(pool('maxPool', input, d, kernelSize, how).toArray());
          expect(indices.dtype).toBe('int32');
          const lead = input.shape.slice(0, input.rank - d);
          const flat = input.reshape([...lead, input.shape.slice(-d).reduce((a, b) => a * b, 1)]);
          const there = flat.gather(-1, indices.reshape([...lead, values.shape.slice(-d).reduce((a, b) => a * b, 1)]));
          expect(there.reshape(values.shape).add(0).toArray()).toEqual(values.add(0).toArray());
        },
      ),
      { numRuns: 50 },
    );
    const tied = tensor(
      [
        [0, 7, 7],
        [7, 0, 0],
        [-Infinity, Number.NaN, Number.NaN],
      ],
      { device },
    );
    expect(tied.maxPool2dWithIndices(2, { stride: 1 }).indices.toArray()).toEqual([
      [1, 1],
      [7, 7],
    ]);
    const low = full([1, 3], -Infinity, { device });
    expect(low.maxPool1dWithIndices(2, { stride: 1, padding: 1 }).indices.toArray()).toEqual([[0, 0, 1, 2]]);
  });

  test('avgPool takes the mean of each window, with padding or without', () => {
    fc.assert(
      fc.property(
        problems((shape) => wholes(shape, 'float32')),
        fc.boolean(),
        ({ d, x, axes, kernelSize, options, ceilMode }, countIncludePad) => {
          const found = pool('avgPool', x.on(device), d, kernelSize, { ...options, ceilMode, countIncludePad });
          const mean = (seen: Seen) => sum(seen.values) / (countIncludePad ? seen.counted : seen.values.length);
          expectModel(found, rounded(pooled(x.model, axes, ceilMode, mean)));
        },
      ),
      { numRuns: 100 },
    );
  });

  test.each([1, 2, 3.5])('lpPool takes the %s-norm of each window', (p) => {
    fc.assert(
      fc.property(
        problems((shape) => wholes(shape)),
        ({ d, x, axes, kernelSize, options, ceilMode }) => {
          const found = lpPool(x.on(device), d, p, kernelSize, { ...options, ceilMode });
          const norm = (seen: Seen) => sum(seen.values.map((v) => Math.abs(v) ** p)) ** (1 / p);
          const expected = pooled(x.model, axes, ceilMode, norm);
          expectModel(found, { ...expected, slack: expected.values.map((v) => 16 * ulp(v, 'float64')) });
        },
      ),
      { numRuns: 25 },
    );
  });

  test('adaptive pooling covers each axis by runs, the i-th from floor(i n / count) to ceil((i + 1) n / count)', () => {
    const sizes = fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 7 })), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(
        sizes.chain((drawn) => wholes([2, ...drawn.map(([n]) => n)], 'float32').map((x) => ({ drawn, x }))),
        ({ drawn, x }) => {
          const counts = drawn.map(([, count]) => count);
          const run = (axis: number, i: number) => {
            const [n, count] = drawn[axis]!;
            const [start, stop] = [Math.floor((i * n) / count), Math.ceil(((i + 1) * n) / count)];
            return Array.from({ length: stop - start }, (_, j) => start + j);
          };
          const expected = (fold: (values: number[]) => number) =>
            tabulate([2, ...counts], 'float32', ([lead, ...index]) => {
              const places = index.map((i, axis) => run(axis, i));
              const inside = [...indicesOf(places.map((p) => p.length))];
              return fold(inside.map((k) => at(x.model, [lead!, ...k.map((j, axis) => places[axis]![j]!)])));
            });
          const d = counts.length;
          const input = x.on(device);
          expectModel(
            pool('adaptiveMaxPool', input, d, counts),
            expected((v) => Math.max(...v)),
          );
          expectModel(pool('adaptiveAvgPool', input, d, counts), rounded(expected((v) => sum(v) / v.length)));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('adaptive sizes: null keeps an axis, one number is for all', () => {
    const x = randn([2, 3, 6, 4], new Rng(0), { device });
    close(x.adaptiveAvgPool2d([2, null]), x.avgPool2d([3, 1]));
    close(x.adaptiveMaxPool2d([null, 2]), x.maxPool2d([1, 2]));
    close(x.adaptiveAvgPool2d(2), x.avgPool2d([3, 2]));
    close(x.adaptiveMaxPool2d([6, 4]), x);
  });

  test('global pooling is adaptive pooling to 1', () => {
    const x = randn([2, 3, 5, 4], new Rng(1), { device });
    close(x.globalAvgPool(), x.adaptiveAvgPool2d(1));
    close(x.globalMaxPool(), x.adaptiveMaxPool2d(1));
    close(x.globalLpPool(3), x.lpPool2d(3, [5, 4]));
    close(x.globalLpPool(), x.square().sum([2, 3], { keepDims: true }).sqrt(), 1e-6);
    expect(x.globalAvgPool().shape).toEqual([2, 3, 1, 1]);
  });

  test('a constant is its own maximum and mean, wherever the windows lie', () => {
    fc.assert(
      fc.property(
        undilated((shape) => wholes(shape)),
        fc.integer({ min: -9, max: -1 }),
        ({ d, x, kernelSize, options, ceilMode }, value) => {
          const how = { ...options, ceilMode };
          const constant = full(x.model.shape, value, { dtype: 'float64', device });
          for (const [kind, more] of [
            ['maxPool', {}],
            ['avgPool', { countIncludePad: false }],
          ] as const) {
            const found = pool(kind, constant, d, kernelSize, { ...how, ...more }).dataSync();
            expect([...new Set(found)].filter((v) => v !== value)).toEqual([]);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  test('by hand', () => {
    const x = tensor([[1, 5, 2, 4, 3]], { device });
    expect(x.maxPool1d(2).toArray()).toEqual([[5, 4]]);
    expect(x.maxPool1d(2, { ceilMode: true }).toArray()).toEqual([[5, 4, 3]]);
    expect(x.avgPool1d(2, { ceilMode: true }).toArray()).toEqual([[3, 3, 3]]);
    expect(x.avgPool1d(2, { padding: 1 }).toArray()).toEqual([[0.5, 3.5, 3.5]]);
    expect(x.avgPool1d(2, { padding: 1, countIncludePad: false }).toArray()).toEqual([[1, 3.5, 3.5]]);
    expect(x.avgPool1d(3, { stride: 1, padding: 'same', countIncludePad: false }).toArray()).toEqual([
      [3, 8 / 3, 11 / 3, 3, 3.5].map(Math.fround),
    ]);
    // A window longer than the axis is kept in ceilMode if its stride reaches that far (as PyTorch counts).
    expect(x.slice(null, [0, 2]).maxPool1d(3, { stride: 2, ceilMode: true }).toArray()).toEqual([[5]]);
    // The last window would start in the padding behind: dropped.
    expect(
      x
        .slice(null, [0, 3])
        .avgPool1d(2, { stride: 3, padding: [[0, 1]], ceilMode: true })
        .toArray(),
    ).toEqual([[3]]);
  });

  test('NaN wins, padding never does; integers and truths pool too', () => {
    expect(
      tensor([[-1, Number.NaN, -3, -4]], { device })
        .maxPool1d(2, { padding: 1 })
        .toArray(),
    ).toEqual([[-1, Number.NaN, -4]]);
    const least = tensor([[-(2 ** 31), -5]], { dtype: 'int32', device }).maxPool1d(2, { padding: 1 });
    expect([least.dtype, least.toArray()]).toEqual(['int32', [[-(2 ** 31), -5]]]);
    expect(
      tensor([[false, true, false]], { device })
        .maxPool1d(2, { padding: [[1, 0]] })
        .toArray(),
    ).toEqual([[false, true]]);
    expect(tensor([[1, 2]], { dtype: 'int32', device }).avgPool1d(2).dtype).toBe('float32');
    expect(
      tensor([[true, false]], { device })
        .adaptiveAvgPool1d(1)
        .toArray(),
    ).toEqual([[0.5]]);
    // Runs of different lengths are filled up too.
    expect(
      tensor([[-3, -2, -1]], { device })
        .adaptiveMaxPool1d(2)
        .toArray(),
    ).toEqual([[-2, -1]]);
  });

  test('nothing in, nothing out', () => {
    expect(zeros([0, 3, 4, 4], { device }).maxPool2d(2).shape).toEqual([0, 3, 2, 2]);
    expect(zeros([2, 0, 5, 4], { device }).adaptiveAvgPool2d(3).shape).toEqual([2, 0, 3, 3]);
    expect(zeros([2, 0, 4], { device }).globalAvgPool().shape).toEqual([2, 0, 1]);
  });
});

describe('errors', () => {
  const x = zeros([2, 3, 4]);
  const failing: Record<string, [() => unknown, keyof typeof errors, string]> = {
    'fewer axes than it pools': [
      () => zeros([3]).avgPool2d(2),
      'ShapeError',
      'avgPool2d: pools the last 2 axes, found only [3]',
    ],
    'a window that would lie in the padding': [
      () => x.maxPool1d(2, { padding: 2 }),
      'WindowError',
      'maxPool1d: padding 2 + 2 is not less than the 2 that a window reaches over, so one would see nothing else',
    ],
    'no room': [
      () => x.avgPool1d(5),
      'WindowError',
      'avgPool1d: a window that reaches over 5 elements does not fit into the 4 of spatial axis 0 (4 and padding 0 + 0)',
    ],
    'no norm': [() => x.lpPool1d(0, 2), 'WindowError', 'lpPool1d: p must be positive and finite, found 0'],
    'no norm either': [
      () => x.globalLpPool(Infinity),
      'WindowError',
      'globalLpPool: p must be positive and finite, found Infinity',
    ],
    'no runs': [
      () => x.adaptiveAvgPool1d(0),
      'WindowError',
      'adaptiveAvgPool1d: outputSize is an integer of at least 1; found 0',
    ],
    'runs of nothing': [
      () => zeros([2, 0]).adaptiveMaxPool1d(1),
      'ShapeError',
      'adaptiveMaxPool1d: an axis of [2,0] has nothing to pool',
    ],
    'no channels': [
      () => zeros([2, 3]).globalAvgPool(),
      'ShapeError',
      'globalAvgPool: wants [N, C, ...spatial], found [2,3]',
    ],
    'the largest of nothing': [
      () => zeros([2, 3, 0]).globalMaxPool(),
      'ShapeError',
      'max: no elements to choose from along the folded axes of [2,3,0]',
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
