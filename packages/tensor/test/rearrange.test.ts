// roll, tile, repeatInterleave, pad, moveAxis, chunk, unbind and meshgrid against where each element comes from, on any strides, and
// what they refuse. (pad with a number is in joining.test.ts.)

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, devices, errors, meshgrid, stack, type Tensor, tensor, zeros } from '../src/index.ts';
import { expectModel, leavingUntouched, thrown } from './support/expect.ts';
import { at, type Index, type Model, tabulate } from './support/model.ts';
import { anySample, dtypes, type Sample, samples, shapes } from './support/samples.ts';

const modulo = (i: number, n: number) => i - n * Math.floor(i / n);
/** x at places that are worked out from the result's. */
const from = (x: Model, shape: readonly number[], place: (index: Index) => readonly number[]): Model =>
  tabulate(shape, x.dtype, (index) => at(x, place(index)));
/** A sample with axes, one of them, and a list of small integers. */
const along = fc.tuple(
  anySample(dtypes, shapes(1, 3)),
  fc.nat(2),
  fc.array(fc.integer({ min: -7, max: 7 }), { minLength: 9, maxLength: 9 }),
);
const axisOf = (x: Sample, n: number) => n % x.model.shape.length;

describe.each(devices)('%s', (device) => {
  const line = (...values: number[]) => tensor(Int32Array.from(values), { device });

  test('roll', () => {
    fc.assert(
      fc.property(along, ([x, n, by]) => {
        const { shape } = x.model;
        const axis = axisOf(x, n);
        const t = x.on(device);
        expectModel(
          leavingUntouched([t], () => t.roll(by[0]!, axis - shape.length)),
          from(x.model, shape, (i) => i.with(axis, modulo(i[axis]! - by[0]!, shape[axis]!))),
        );
        const all = [...shape.keys()];
        expectModel(
          t.roll(by.slice(0, shape.length), all),
          from(x.model, shape, (i) => i.map((v, a) => modulo(v - by[a]!, shape[a]!))),
        );
        expect(t.roll(3, all).dataSync()).toEqual(
          t
            .roll(
              all.map(() => 3),
              all,
            )
            .dataSync(),
        );
        // Without axes: the flat sequence. And rolling back undoes it.
        const size = x.model.values.length;
        const flat = Array.from({ length: size }, (_, i) => x.model.values[modulo(i - by[1]!, size)]!);
        expectModel(t.roll(by[1]!), { ...x.model, values: flat });
        expectModel(t.roll(by[1]!).roll(-by[1]!), x.model);
      }),
    );
    expect([tensor(3, { device }).roll(2).item(), line(1, 2, 3).roll(1).toArray()]).toEqual([3, [3, 1, 2]]);
    expect(line(1, 2, 3).roll(3, 0).toArray()).toEqual([1, 2, 3]);
  });

  test('tile', () => {
    const reps = fc.array(fc.nat(3), { maxLength: 4 });
    fc.assert(
      fc.property(anySample(dtypes, shapes(0, 3)), reps, (x, times) => {
        const rank = Math.max(times.length, x.model.shape.length);
        const fill = (list: readonly number[]) => [...Array<number>(rank - list.length).fill(1), ...list];
        const whole: Model = { ...x.model, shape: fill(x.model.shape) };
        const shape = whole.shape.map((d, i) => d * fill(times)[i]!);
        const t = x.on(device);
        expectModel(
          leavingUntouched([t], () => t.tile(times)),
          from(whole, shape, (i) => i.map((v, a) => v % whole.shape[a]!)),
        );
      }),
    );
    expect(line(1, 2).tile(2).toArray()).toEqual([1, 2, 1, 2]);
    // Copies laid side by side.
    const x = line(1, 2, 3, 4).reshape([2, 2]);
    expect(x.tile([1, 3]).toArray()).toEqual(concat([x, x, x], 1).toArray());
  });

  test('repeatInterleave', () => {
    fc.assert(
      fc.property(along, ([x, n, counts]) => {
        const { shape, values } = x.model;
        const axis = axisOf(x, n);
        const times = Array.from({ length: shape[axis]! }, (_, i) => Math.abs(counts[i]!) % 4);
        const order = times.flatMap((count, i) => Array<number>(count).fill(i));
        const t = x.on(device);
        expectModel(
          leavingUntouched([t], () => t.repeatInterleave(times, axis)),
          from(x.model, shape.with(axis, order.length), (i) => i.with(axis, order[i[axis]!]!)),
        );
        expectModel(t.repeatInterleave(2), {
          ...x.model,
          shape: [2 * values.length],
          values: values.flatMap((v) => [v, v]),
        });
        // Of a new axis the elements of tile and repeatInterleave are the same ones.
        const apart = t.unsqueeze(axis);
        expect(apart.repeatInterleave(3, axis).toArray()).toEqual(
          apart.tile(apart.shape.map((_, a) => (a === axis ? 3 : 1))).toArray(),
        );
      }),
    );
    expect(line(7).repeatInterleave(0).shape).toEqual([0]);
  });

  test('pad goes on with what is there, however far', () => {
    /** The first place inside that a walk outward from the border meets, by the rule's own words. */
    const place = {
      edge: (i: number, n: number) => (i < 0 ? 0 : i >= n ? n - 1 : i),
      wrap: (i: number, n: number) => modulo(i, n),
      // There and back without stopping at either end: 0 1 2 3 2 1 0 1 ...
      reflect: (i: number, n: number) => {
        const tour = [...Array<number>(n).keys(), ...Array.from({ length: Math.max(0, n - 2) }, (_, k) => n - 2 - k)];
        return tour[modulo(i, tour.length)]!;
      },
    };
    const some = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 });
    const cases = anySample(dtypes, some).chain((x) =>
      fc.tuple(fc.constant(x), fc.tuple(...x.model.shape.map(() => fc.tuple(fc.nat(9), fc.nat(9))))),
    );
    fc.assert(
      fc.property(cases, fc.constantFrom('edge' as const, 'reflect' as const, 'wrap' as const), ([x, widths], mode) => {
        fc.pre(widths.reduce((n, [a, b], i) => n * (a + b + x.model.shape[i]!), 1) < 2000);
        const shape = x.model.shape.map((d, i) => widths[i]![0] + d + widths[i]![1]);
        const t = x.on(device);
        expectModel(
          leavingUntouched([t], () => t.pad(widths, mode)),
          from(x.model, shape, (i) => i.map((v, a) => place[mode](v - widths[a]![0], x.model.shape[a]!))),
        );
      }),
    );
    const x = line(1, 2, 3);
    expect([
      x.pad([[2, 2]], 'reflect').toArray(),
      x.pad([[2, 2]], 'edge').toArray(),
      x.pad([[2, 2]], 'wrap').toArray(),
    ]).toEqual([
      [3, 2, 1, 2, 3, 2, 1],
      [1, 1, 1, 2, 3, 3, 3],
      [2, 3, 1, 2, 3, 1, 2],
    ]);
    expect(
      zeros([0, 2], { device }).pad(
        [
          [0, 0],
          [1, 1],
        ],
        'wrap',
      ).shape,
    ).toEqual([0, 4]);
  });

  test('moveAxis', () => {
    const moves = anySample(dtypes, shapes(0, 4)).chain((x) => {
      const axes = [...x.model.shape.keys()];
      return fc
        .shuffledSubarray(axes)
        .chain((source) =>
          fc.tuple(
            fc.constant(x),
            fc.constant(source),
            fc.shuffledSubarray(axes, { minLength: source.length, maxLength: source.length }),
          ),
        );
    });
    fc.assert(
      fc.property(moves, ([x, source, destination]) => {
        const rank = x.model.shape.length;
        const t = x.on(device);
        const moved = t.moveAxis(
          source,
          destination.map((d) => d - rank),
        );
        expect(moved.storage).toBe(t.storage);
        source.forEach((s, i) => {
          expect([moved.shape[destination[i]!], moved.strides[destination[i]!]]).toEqual([t.shape[s], t.strides[s]]);
        });
        const others = (axes: readonly number[]) => [...Array(rank).keys()].filter((a) => !axes.includes(a));
        expect(others(destination).map((a) => moved.strides[a])).toEqual(others(source).map((a) => t.strides[a]));
        expectModel(moved.moveAxis(destination, source), x.model);
      }),
    );
    const x = zeros([2, 3, 4], { device });
    expect([x.moveAxis(0, -1).shape, x.moveAxis(-1, 0).shape, x.moveAxis([], []).shape]).toEqual([
      [3, 4, 2],
      [4, 2, 3],
      [2, 3, 4],
    ]);
  });

  test('chunk and unbind come apart into views, and together again', () => {
    fc.assert(
      fc.property(along, fc.integer({ min: 1, max: 6 }), ([x, n], chunks) => {
        const axis = axisOf(x, n);
        const size = x.model.shape[axis]!;
        const t = x.on(device);
        const parts = t.chunk(chunks, axis - x.model.shape.length);
        expectModel(concat(parts, axis), x.model);
        expect(parts.length).toBeLessThanOrEqual(chunks);
        const lengths = parts.map((p) => p.shape[axis]!);
        expect(lengths.slice(0, -1).every((d) => d === Math.ceil(size / chunks))).toBe(true);
        expect(size === 0 ? lengths : lengths.every((d) => d > 0)).toEqual(size === 0 ? [0] : true);
        const slices = t.unbind(axis);
        expect(slices.length).toBe(size);
        expect([...parts, ...slices].every((p) => p.storage === t.storage)).toBe(true);
        if (size > 0) expectModel(stack(slices, axis), x.model);
      }),
    );
    expect(
      line(1, 2, 3, 4, 5)
        .chunk(4)
        .map((p) => p.toArray()),
    ).toEqual([[1, 2], [3, 4], [5]]);
    expect(zeros([0, 2], { device }).unbind()).toEqual([]);
  });

  test('meshgrid', () => {
    const vectors = fc.array(
      fc
        .constantFrom(...dtypes)
        .chain((dtype) => fc.integer({ min: 0, max: 4 }).chain((d) => samples(dtype, d === 0 ? [] : [d - 1]))),
      { minLength: 1, maxLength: 3 },
    );
    fc.assert(
      fc.property(vectors, fc.boolean(), (axes, xy) => {
        const tensors = axes.map((a) => a.on(device));
        const lengths = axes.map((a) => a.model.values.length);
        const swap = (list: readonly number[]) =>
          xy && list.length > 1 ? [list[1]!, list[0]!, ...list.slice(2)] : list;
        meshgrid(tensors, xy ? 'xy' : 'ij').forEach((grid, k) => {
          expectModel(
            grid,
            tabulate(swap(lengths), axes[k]!.model.dtype, (i) => axes[k]!.model.values[swap(i)[k]!]!),
          );
          expect(grid.storage).toBe(tensors[k]!.storage);
        });
      }),
    );
    const [rows, columns] = meshgrid([line(1, 2), line(3, 4, 5)]) as [Tensor, Tensor];
    expect([rows.toArray(), columns.toArray()]).toEqual([
      [
        [1, 1, 1],
        [2, 2, 2],
      ],
      [
        [3, 4, 5],
        [3, 4, 5],
      ],
    ]);
  });

  const x = (...shape: number[]) => zeros(shape, { device });
  test.each<[string, () => unknown, typeof errors.GemlabError, string]>([
    [
      'half a shift',
      () => x(2).roll(0.5),
      errors.ShapeError,
      'roll: wants an integer for each of the axes [0], found 0.5',
    ],
    [
      'other shifts than axes',
      () => x(2, 2).roll([1, 2], 0),
      errors.ShapeError,
      'roll: wants an integer for each of the axes [0], found [1,2]',
    ],
    [
      'a roll of no axis',
      () => x(2).roll(1, 1),
      errors.AxisError,
      'roll: axis 1 is out of range for rank 1; valid axes are -1..0',
    ],
    [
      'half a tile',
      () => x(2).tile([1, 0.5]),
      errors.ShapeError,
      'tile: repeats must be non-negative integers, found [1,0.5]',
    ],
    [
      'negative repeats',
      () => x(2, 0).repeatInterleave(-1, 1),
      errors.ShapeError,
      'repeatInterleave: axis 1 of [2,0] wants one non-negative integer or 0 of them, found -1',
    ],
    [
      'repeats for other elements',
      () => x(2, 3).repeatInterleave([1, 2], 1),
      errors.ShapeError,
      'repeatInterleave: axis 1 of [2,3] wants one non-negative integer or 3 of them, found [1,2]',
    ],
    [
      'another border',
      () => x(2).pad([[1, 1]], 'symmetric' as 'edge'),
      errors.OptionError,
      "pad: the border is a number, 'edge', 'reflect' or 'wrap', found 'symmetric'",
    ],
    [
      'a border of nothing',
      () =>
        x(2, 0).pad(
          [
            [1, 1],
            [0, 1],
          ],
          'reflect',
        ),
      errors.ShapeError,
      "pad: axis 1 of [2,0] has no elements for 'reflect' to go on with",
    ],
    [
      'two axes to one place',
      () => x(2, 2).moveAxis([0, 1], [0, 0]),
      errors.AxisError,
      'moveAxis: [0,1] cannot move to [0,0]: needs as many places as axes, none twice',
    ],
    [
      'an axis without a place',
      () => x(2, 2).moveAxis([0, 1], 0),
      errors.AxisError,
      'moveAxis: [0,1] cannot move to [0]: needs as many places as axes, none twice',
    ],
    [
      'no chunks',
      () => x(2).chunk(0),
      errors.ShapeError,
      'chunk: the number of parts must be a positive integer, found 0',
    ],
    ['a grid of matrices', () => meshgrid([x(2), x(1, 2)]), errors.ShapeError, 'meshgrid: wants vectors, found [1,2]'],
    [
      'a grid of nothing',
      () => meshgrid<Tensor>([]),
      errors.DataError,
      'meshgrid: wants at least one tensor, found nothing',
    ],
    [
      'another indexing',
      () => meshgrid([x(2)], 'yx' as 'xy'),
      errors.OptionError,
      "meshgrid: indexing is 'ij' or 'xy', found 'yx'",
    ],
  ])('refuses %s', (_, fn, kind, message) => {
    const error = thrown(fn);
    expect(error.message).toBe(message);
    expect(error).toBeInstanceOf(kind);
  });
});
