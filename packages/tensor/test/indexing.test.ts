// gather, scatter and their kin, by index and by index tuple, against loops over every index, with repeats, from either end, on any
// strides, and what they refuse.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { devices, errors, type Tensor, tensor, zeros } from '../src/index.ts';
import { gathered, indexed, scattered } from './laws/moving.ts';
import { expectModel, leavingUntouched, thrown } from './support/expect.ts';
import { at, indicesOf, type Model, stored, tabulate } from './support/model.ts';
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

  test('negative indices count from the end, everywhere', () => {
    fc.assert(
      fc.property(indexed, fc.infiniteStream(fc.boolean()), ({ axis, x, index, updates }, flips) => {
        const size = x.model.shape[axis]!;
        const either = index.model.values.map((i) => (flips.next().value ? i - size : i));
        const [t, u] = [x.on(device), updates.on(device)];
        const plain = index.on(device);
        const mixed = tensor(Int32Array.from(either), { shape: index.model.shape, device });
        const same = (f: (i: Tensor) => Tensor) => {
          const [found, expected] = [f(mixed), f(plain)];
          expect([found.dtype, found.shape]).toEqual([expected.dtype, expected.shape]);
          expect(found.dataSync()).toEqual(expected.dataSync());
        };
        same((i) => t.gather(axis, i));
        same((i) => t.scatter(axis, i, u));
        same((i) => t.scatterAdd(axis, i, u));
        same((i) => t.scatterReduce(axis, i, u, 'max'));
        same((i) => t.take(i, axis));
        same((i) => t.indexSelect(axis, i.flatten()));
        same((i) => i.oneHot(size));
      }),
      { numRuns: 60 },
    );
    const x = ints(10, 20, 30);
    expect([x.gather(0, ints(-1)).item(), x.take(ints(-3, 2, -1)).toArray()]).toEqual([30, [10, 30, 30]]);
  });

  test('take: an index of any shape in place of the axis', () => {
    const cases = anySample(dtypes, fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 })).chain(
      (x) =>
        fc.tuple(fc.nat(2), shapes(0, 2)).chain(([n, of]) => {
          const axis = n % x.model.shape.length;
          const size = x.model.shape[axis]!;
          return fc.tuple(
            fc.constant(x),
            fc.constant(axis),
            samples('int32', of, fc.integer({ min: -size, max: size - 1 })),
            samples('int32', of, fc.integer({ min: -x.model.values.length, max: x.model.values.length - 1 })),
          );
        }),
    );
    fc.assert(
      fc.property(cases, ([x, axis, index, places]) => {
        const [{ shape, dtype, values }, { shape: inner }] = [x.model, index.model];
        const from = (i: number, size: number) => (i + size) % size;
        const expected = tabulate(shape.toSpliced(axis, 1, ...inner), dtype, (i) =>
          at(
            x.model,
            i.toSpliced(axis, inner.length, from(at(index.model, i.slice(axis, axis + inner.length)), shape[axis]!)),
          ),
        );
        const t = x.on(device);
        expectModel(
          leavingUntouched([t], () => t.take(index.on(device), axis - shape.length)),
          expected,
        );
        const flat = tabulate(inner, dtype, (i) => values[from(at(places.model, i), values.length)]!);
        expectModel(t.take(places.on(device)), flat);
      }),
      { numRuns: 80 },
    );
  });

  /** x, how many of its axes are batches and how many are indexed, tuples for them and updates. */
  const tupled = anySample(['int32', 'bool', 'float64'], shapes(0, 4)).chain((x) => {
    const { shape, dtype } = x.model;
    return fc
      .tuple(fc.nat(shape.length), fc.nat(2), shapes(0, 2), fc.infiniteStream(fc.nat(996)))
      .chain(([k, b, outer, draw]) => {
        const batch = Math.min(b, shape.length - k);
        const sizes = shape.slice(batch, batch + k);
        const of = [...shape.slice(0, batch), ...(sizes.includes(0) ? [0] : outer)];
        const tuples = tabulate(
          [...of, k],
          'int32',
          (i) => (draw.next().value % (2 * sizes[i.at(-1)!]!)) - sizes[i.at(-1)!]!,
        );
        const value = fc.integer({ min: dtype === 'bool' ? 0 : -3, max: dtype === 'bool' ? 1 : 3 });
        return samples(dtype, [...of, ...shape.slice(batch + k)], value).map((updates) => ({
          x,
          batch,
          k,
          tuples,
          updates,
        }));
      });
  });
  const asTensor = (m: Model) => tensor(Int32Array.from(m.values), { shape: m.shape, device });
  /** The index into x that a tuple stands for. */
  const place = (x: Model, batch: number, tuples: Model, outer: readonly number[]) => {
    const k = tuples.shape.at(-1)!;
    const tuple = Array.from({ length: k }, (_, i) => {
      const size = x.shape[batch + i]!;
      return (at(tuples, [...outer, i]) + size) % size;
    });
    return [...outer.slice(0, batch), ...tuple];
  };

  test('gatherND: whole tuples, in batches', () => {
    fc.assert(
      fc.property(tupled, ({ x, batch, k, tuples }) => {
        const outer = tuples.shape.length - 1;
        const shape = [...tuples.shape.slice(0, -1), ...x.model.shape.slice(batch + k)];
        const expected = tabulate(shape, x.model.dtype, (i) =>
          at(x.model, [...place(x.model, batch, tuples, i.slice(0, outer)), ...i.slice(outer)]),
        );
        expectModel(x.on(device).gatherND(asTensor(tuples), batch), expected);
      }),
      { numRuns: 100 },
    );
  });

  const joins = {
    sum: (a: number, b: number) => a + b,
    prod: (a: number, b: number) => a * b,
    max: Math.max,
    min: Math.min,
  };
  const reductions = ['sum', 'prod', 'max', 'min'] as const;
  /** One update after the other. */
  const reduced = (
    base: Model,
    targets: readonly (readonly number[])[],
    values: readonly number[],
    how: (typeof reductions)[number] | 'set',
  ) => {
    const start =
      base.dtype === 'bool' && (how === 'sum' || how === 'prod') ? { ...base, dtype: 'int32' as const } : base;
    const out = new Map(Array.from(indicesOf(base.shape), (i) => [String(i), at(base, i)]));
    targets.forEach((target, i) => {
      const key = String(target);
      out.set(key, how === 'set' ? values[i]! : stored(joins[how](out.get(key)!, values[i]!), start.dtype));
    });
    return { ...start, values: [...out.values()] };
  };

  test('scatterND: written, or joined with what is there', () => {
    fc.assert(
      fc.property(tupled, fc.constantFrom(undefined, ...reductions), ({ x, batch, tuples, updates }, how) => {
        fc.pre(batch === 0 && x.model.values.every(Number.isSafeInteger));
        const outer = tuples.shape.length - 1;
        const targets = Array.from(indicesOf(updates.model.shape), (i) => [
          ...place(x.model, 0, tuples, i.slice(0, outer)),
          ...i.slice(outer),
        ]);
        const [t, u] = [x.on(device), updates.on(device)];
        const found = leavingUntouched([t, u], () => t.scatterND(asTensor(tuples), u, how));
        expectModel(found, reduced(x.model, targets, updates.model.values, how ?? 'set'));
      }),
      { numRuns: 150 },
    );
  });

  test('scatterReduce is one update after the other', () => {
    fc.assert(
      fc.property(indexed, fc.constantFrom(...reductions), ({ axis, x, index, updates }, how) => {
        // A product of floats depends on the order; how it may is tested with integers.
        fc.pre(how !== 'prod' || x.model.dtype === 'int32' || x.model.dtype === 'bool');
        const [t, i, u] = [x.on(device), index.on(device), updates.on(device)];
        const targets = Array.from(indicesOf(index.model.shape), (at_) => at_.with(axis, at(index.model, at_)));
        const wrap = how === 'prod' && x.model.dtype === 'int32';
        const found = leavingUntouched([t, i, u], () => t.scatterReduce(axis, i, u, how));
        if (!wrap) expectModel(found, reduced(x.model, targets, updates.model.values, how));
        else {
          const products = new Map(Array.from(indicesOf(x.model.shape), (i_) => [String(i_), BigInt(at(x.model, i_))]));
          targets.forEach((target, k) => {
            products.set(String(target), products.get(String(target))! * BigInt(updates.model.values[k]!));
          });
          expect(Array.from(found.dataSync())).toEqual([...products.values()].map((v) => Number(BigInt.asIntN(32, v))));
        }
      }),
      { numRuns: 150 },
    );
    const none = zeros([2, 0], { dtype: 'int32', device });
    expect(
      floats([
        [1, 2],
        [3, 4],
      ])
        .scatterReduce(1, none, zeros([2, 0], { device }), 'max')
        .toArray(),
    ).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(
      floats([1, 2])
        .scatterReduce(0, ints(0, 0, 0), floats([2, 3, -1]), 'prod')
        .toArray(),
    ).toEqual([-6, 2]);
    expect(
      floats([1, Number.NaN])
        .scatterReduce(0, ints(0, 1), floats([Number.NaN, 5]), 'max')
        .toArray(),
    ).toEqual([Number.NaN, Number.NaN]);
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
      'gather: index 2 at [0,0] is out of range for axis 0 of [2,3]; valid indices are -2..1',
    ],
    [
      'gather before the start',
      () => x().gather(-1, tensor([[-3, -4]], { dtype: 'int32', device })),
      errors.IndexError,
      'gather: index -4 at [0,1] is out of range for axis 1 of [2,3]; valid indices are -3..2',
    ],
    [
      'scatter too far',
      () => x().scatter(0, tensor([[5]], { dtype: 'int32', device }), floats([[1]])),
      errors.IndexError,
      'scatter: index 5 at [0,0] is out of range for axis 0 of [2,3]; valid indices are -2..1',
    ],
    [
      'scatterAdd too far',
      () => x().scatterAdd(1, tensor([[3]], { dtype: 'int32', device }), floats([[1]])),
      errors.IndexError,
      'scatterAdd: index 3 at [0,0] is out of range for axis 1 of [2,3]; valid indices are -3..2',
    ],
    [
      'indexSelect too far',
      () => x().indexSelect(0, ints(0, 2)),
      errors.IndexError,
      'indexSelect: index 2 at [1] is out of range for axis 0 of [2,3]; valid indices are -2..1',
    ],
    [
      'indexSelect of nothing',
      () => zeros([0], { device }).indexSelect(0, ints(0)),
      errors.IndexError,
      'indexSelect: index 0 at [0] is out of range for axis 0 of [0]; it has no elements',
    ],
    [
      'oneHot too far',
      () => ints(0, 3).oneHot(3),
      errors.IndexError,
      'oneHot: index 3 at [1] is out of range for axis 1 of [2,3]; valid indices are -3..2',
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
      'take too far, flat',
      () => x().take(ints(0, 6)),
      errors.IndexError,
      'take: index 6 at [1] is out of range for axis 0 of [6]; valid indices are -6..5',
    ],
    [
      'take by one index',
      () => x().take(tensor(3, { dtype: 'int32', device }), 1),
      errors.IndexError,
      'take: index 3 is out of range for axis 1 of [2,3]; valid indices are -3..2',
    ],
    [
      'a tuple that points outside',
      () =>
        x().gatherND(
          tensor(
            [
              [0, -3],
              [1, 3],
            ],
            { dtype: 'int32', device },
          ),
        ),
      errors.IndexError,
      'gatherND: index 3 at [1,1] is out of range for axis 1 of [2,3]; valid indices are -3..2',
    ],
    [
      'tuples longer than there are axes',
      () => x().scatterND(zeros([1, 3], { dtype: 'int32', device }), x()),
      errors.ShapeError,
      'scatterND: indices [1,3] do not fit [2,3] with 0 batch axes; the last axis holds tuples, no longer than there are axes',
    ],
    [
      'batches that differ',
      () => x().gatherND(zeros([3, 1], { dtype: 'int32', device }), 1),
      errors.ShapeError,
      'gatherND: indices [3,1] do not fit [2,3] with 1 batch axes; the last axis holds tuples, no longer than there are axes',
    ],
    [
      'a tuple that is a number',
      () => x().gatherND(tensor(0, { dtype: 'int32', device })),
      errors.ShapeError,
      'gatherND: indices [] do not fit [2,3] with 0 batch axes; the last axis holds tuples, no longer than there are axes',
    ],
    [
      'updates that do not go with the tuples',
      () => x().scatterND(zeros([4, 1], { dtype: 'int32', device }), zeros([4], { device })),
      errors.ShapeError,
      'scatterND: updates must be [4,3] here, found [4]',
    ],
    [
      'another reduction',
      () => x().scatterReduce(0, zeros([1, 1], { dtype: 'int32', device }), zeros([1, 1], { device }), 'mean' as 'sum'),
      errors.OptionError,
      "scatterReduce: a reduction is sum, prod, max, min; found 'mean'",
    ],
    [
      'another reduction by tuples',
      () => x().scatterND(zeros([1, 1], { dtype: 'int32', device }), x(), 'add' as 'sum'),
      errors.OptionError,
      "scatterND: a reduction is sum, prod, max, min; found 'add'",
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
