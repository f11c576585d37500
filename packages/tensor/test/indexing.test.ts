// gather, scatter, indexSelect and oneHot against loops over every index, with repeats, on any strides, and what they refuse.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { devices, errors, type Tensor, tensor, zeros } from '../src/index.ts';
import { gathered, indexed, scattered } from './laws/moving.ts';
import { expectModel, leavingUntouched, thrown } from './support/expect.ts';
import { at, type Model, stored, tabulate } from './support/model.ts';
import { anySample, dtypes, samples, shapes, sizes } from './support/samples.ts';

/** bool counts as int32 where elements are added. */
const counted = (m: Model): Model => (m.dtype === 'bool' ? { ...m, dtype: 'int32' } : m);

describe.each(devices)('%s', (device) => {
  const ints = (...values: number[]) => tensor(Int32Array.from(values), { device });
  const floats = (data: number[] | number[][]) => tensor(data, { device });

  test('gather, scatter and scatterAdd, from either end of the axes', () => {
    fc.assert(
      fc.property(indexed, fc.boolean(), ({ axis, x, index, updates }, negative) => {
        const [t, i, u] = [x.on(device), index.on(device), updates.on(device)];
        const named = negative ? axis - t.rank : axis;
        leavingUntouched([t, i, u], () => {
          expectModel(t.gather(named, i), gathered(x.model, axis, index.model));
          expectModel(t.scatter(named, i, u), scattered(x.model, axis, index.model, updates.model, 'set'));
          const sums = scattered(counted(x.model), axis, index.model, updates.model, 'add');
          expectModel(t.scatterAdd(named, i, u), sums);
        });
      }),
      { numRuns: 100 },
    );
  });

  test('updates are cast to the dtype of what they go into', () => {
    const x = ints(1, 2, 3);
    expect(x.scatter(0, ints(0, 2), floats([1.9, -1.9])).toArray()).toEqual([1, 2, -1]);
    expect(x.scatterAdd(0, ints(1, 1), floats([1.9, 1.9])).toArray()).toEqual([1, 4, 3]);
    expect(
      floats([0])
        .scatter(0, ints(0), tensor(Float64Array.of(0.1), { device }))
        .item(),
    ).toBe(Math.fround(0.1));
  });

  test('a repeated index: the last one stays, or all add up', () => {
    const x = zeros([3], { device });
    expect(x.scatter(0, ints(1, 1, 1), floats([5, 6, 7])).toArray()).toEqual([0, 7, 0]);
    expect(x.scatterAdd(0, ints(1, 1, 1), floats([5, 6, 7])).toArray()).toEqual([0, 18, 0]);
    expect(x.gather(0, ints(2, 2)).toArray()).toEqual([0, 0]);
    // An index or updates that are views of one element.
    expect(x.scatterAdd(0, ints(2).expand([4]), floats([1]).expand([4])).toArray()).toEqual([0, 0, 4]);
    expect(
      floats([[1], [2]])
        .expand([2, 3])
        .scatter(1, ints(1, 0).unsqueeze(1), floats([[8], [9]]))
        .toArray(),
    ).toEqual([
      [1, 8, 1],
      [9, 2, 2],
    ]);
  });

  test('indexSelect takes whole rows', () => {
    const cases = anySample(dtypes, fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 })).chain(
      (x) =>
        fc.nat(2).chain((n) => {
          const axis = n % x.model.shape.length;
          return fc.tuple(
            fc.constant(x),
            fc.constant(axis),
            sizes.chain((d) => samples('int32', [d], fc.nat(x.model.shape[axis]! - 1))),
          );
        }),
    );
    fc.assert(
      fc.property(cases, ([x, axis, index]) => {
        const shape = x.model.shape.with(axis, index.model.values.length);
        const expected = tabulate(shape, x.model.dtype, (i) =>
          at(x.model, i.with(axis, index.model.values[i[axis]!]!)),
        );
        expectModel(x.on(device).indexSelect(axis, index.on(device)), expected);
        expectModel(x.on(device).indexSelect(axis - shape.length, index.on(device)), expected);
      }),
      { numRuns: 60 },
    );
    expect(zeros([0, 2], { device }).indexSelect(0, ints()).shape).toEqual([0, 2]);
  });

  test('oneHot', () => {
    const cases = fc
      .tuple(shapes(0, 2), fc.integer({ min: 1, max: 4 }), fc.constantFrom(...dtypes))
      .chain(([shape, classes, dtype]) =>
        fc.tuple(samples('int32', shape, fc.nat(classes - 1)), fc.constant(classes), fc.constant(dtype)),
      );
    fc.assert(
      fc.property(cases, ([x, classes, dtype]) => {
        const expected = tabulate([...x.model.shape, classes], dtype, (i) =>
          Number(at(x.model, i.slice(0, -1)) === i.at(-1)),
        );
        expectModel(x.on(device).oneHot(classes, dtype), expected);
      }),
      { numRuns: 60 },
    );
    expect([ints(1).oneHot(2).dtype, ints().oneHot(0).shape]).toEqual(['float32', [0, 0]]);
  });

  test('scatter over gather is nothing, scatterAdd of ones counts', () => {
    fc.assert(
      fc.property(indexed, ({ axis, x, index }) => {
        const [t, i] = [x.on(device), index.on(device)];
        expectModel(t.scatter(axis, i, t.gather(axis, i)), x.model);
      }),
      { numRuns: 40 },
    );
    fc.assert(
      fc.property(fc.array(fc.nat(4)), (values) => {
        const counts = zeros([5], { dtype: 'int32', device }).scatterAdd(
          0,
          ints(...values),
          ints(...values.map(() => 1)),
        );
        expect(counts.toArray()).toEqual([0, 1, 2, 3, 4].map((v) => values.filter((w) => w === v).length));
      }),
      { numRuns: 40 },
    );
  });

  test('float32 sums are rounded at each update', () => {
    const x = floats([2 ** 24]).scatterAdd(0, ints(0, 0), floats([1, 1]));
    expect(x.item()).toBe(stored(stored(2 ** 24 + 1, 'float32') + 1, 'float32'));
  });

  const x = () => zeros([2, 3], { device });
  test.each<[string, () => Tensor, typeof errors.GemlabError, string]>([
    [
      'gather too far',
      () => x().gather(0, tensor([[2, 0, 0]], { dtype: 'int32', device })),
      errors.IndexError,
      'gather: index 2 is out of range for axis 0 of [2,3]; valid indices are 0..1',
    ],
    [
      'gather before the start',
      () => x().gather(-1, tensor([[-1]], { dtype: 'int32', device })),
      errors.IndexError,
      'gather: index -1 is out of range for axis 1 of [2,3]; valid indices are 0..2',
    ],
    [
      'scatter too far',
      () => x().scatter(0, tensor([[5]], { dtype: 'int32', device }), floats([[1]])),
      errors.IndexError,
      'scatter: index 5 is out of range for axis 0 of [2,3]; valid indices are 0..1',
    ],
    [
      'scatterAdd too far',
      () => x().scatterAdd(1, tensor([[3]], { dtype: 'int32', device }), floats([[1]])),
      errors.IndexError,
      'scatterAdd: index 3 is out of range for axis 1 of [2,3]; valid indices are 0..2',
    ],
    [
      'indexSelect too far',
      () => x().indexSelect(0, ints(0, 2)),
      errors.IndexError,
      'indexSelect: index 2 is out of range for axis 0 of [2,3]; valid indices are 0..1',
    ],
    [
      'indexSelect of nothing',
      () => zeros([0], { device }).indexSelect(0, ints(0)),
      errors.IndexError,
      'indexSelect: index 0 is out of range for axis 0 of [0]; it has no elements',
    ],
    [
      'oneHot too far',
      () => ints(0, 3).oneHot(3),
      errors.IndexError,
      'oneHot: index 3 is out of range for axis 1 of [2,3]; valid indices are 0..2',
    ],
    [
      'a float index',
      () => x().gather(0, floats([[0]])),
      errors.DTypeError,
      "gather: indices must be int32, found float32; did you mean .cast('int32')?",
    ],
    [
      'a float class',
      () => floats([1]).oneHot(2),
      errors.DTypeError,
      "oneHot: indices must be int32, found float32; did you mean .cast('int32')?",
    ],
    [
      'an index of another rank',
      () => x().gather(0, ints(0)),
      errors.ShapeError,
      'gather: index [1] must have the rank of [2,3] and no axis but 0 longer',
    ],
    [
      'a longer index',
      () => x().gather(0, zeros([1, 4], { dtype: 'int32', device })),
      errors.ShapeError,
      'gather: index [1,4] must have the rank of [2,3] and no axis but 0 longer',
    ],
    [
      'updates of another shape',
      () => x().scatter(0, zeros([1, 3], { dtype: 'int32', device }), zeros([3], { device })),
      errors.ShapeError,
      'scatter: updates [3] and index [1,3] differ in shape',
    ],
    [
      'a 2-d selection',
      () => x().indexSelect(0, zeros([1, 1], { dtype: 'int32', device })),
      errors.ShapeError,
      'indexSelect: the index must be 1-d, found [1,1]',
    ],
    [
      'half a class',
      () => ints(0).oneHot(1.5),
      errors.ShapeError,
      'oneHot: a size must be a non-negative integer, found 1.5 in [1,1.5]',
    ],
    [
      'an axis too far',
      () => x().gather(2, zeros([1, 1], { dtype: 'int32', device })),
      errors.AxisError,
      'gather: axis 2 is out of range for rank 2; valid axes are -2..1',
    ],
  ])('refuses %s', (_, fn, kind, message) => {
    const error = thrown(fn);
    expect(error.message).toBe(message);
    expect(error).toBeInstanceOf(kind);
  });
});
