// concat, stack and pad against a list of places, with mixed dtypes, empty parts and any strides, and what they refuse.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  concat,
  type Device,
  devices,
  errors,
  Rng,
  randn,
  scope,
  stack,
  type Tensor,
  tensor,
  zeros,
} from '../src/index.ts';
import { joined } from './laws/moving.ts';
import { expectModel, leavingUntouched, thrown } from './support/expect.ts';
import { at, indicesOf, type Model, stored, tabulate } from './support/model.ts';
import { anySample, dtypes, samples, shapes, sizes } from './support/samples.ts';

/** Parts of any dtypes that agree outside of one axis. */
const parts = fc
  .tuple(shapes(1, 3), fc.nat(2), fc.array(fc.tuple(sizes, fc.constantFrom(...dtypes)), { minLength: 1, maxLength: 4 }))
  .chain(([shape, n, lengths]) => {
    const axis = n % shape.length;
    return fc.tuple(fc.tuple(...lengths.map(([d, dtype]) => samples(dtype, shape.with(axis, d)))), fc.constant(axis));
  });

/** All at the highest dtype of the lattice. */
function met(models: readonly Model[]): Model[] {
  const dtype = dtypes[Math.max(...models.map((m) => dtypes.indexOf(m.dtype)))]!;
  return models.map((m) => ({ ...m, dtype, values: m.values.map((v) => stored(v, dtype)) }));
}

describe.each(devices)('%s', (device) => {
  test('concat joins along an axis, at the dtype where all meet', () => {
    fc.assert(
      fc.property(parts, ([inputs, axis]) => {
        const tensors = inputs.map((x) => x.on(device));
        const expected = joined(met(inputs.map((x) => x.model)), axis);
        expectModel(
          leavingUntouched(tensors, () => concat(tensors, axis)),
          expected,
        );
        expectModel(concat(tensors, axis - expected.shape.length), expected);
      }),
      { numRuns: 60 },
    );
    const [a, b] = [zeros([1, 2], { device }), zeros([2, 2], { device })];
    expect([concat([a, b]).shape, concat([b, zeros([0, 2], { device })]).shape]).toEqual([
      [3, 2],
      [2, 2],
    ]);
  });

  test('split and concat undo each other', () => {
    fc.assert(
      fc.property(parts, ([inputs, axis]) => {
        const whole = concat(
          inputs.map((x) => x.on(device)),
          axis,
        );
        const back = whole.split(
          inputs.map((x) => x.model.shape[axis]!),
          axis,
        );
        met(inputs.map((x) => x.model)).forEach((m, i) => {
          expectModel(back[i]!, m);
        });
      }),
      { numRuns: 40 },
    );
  });

  test('stack joins along a new axis', () => {
    const cases = fc
      .tuple(shapes(0, 2), fc.array(fc.constantFrom(...dtypes), { minLength: 1, maxLength: 3 }), fc.nat(2))
      .chain(([shape, kinds, n]) =>
        fc.tuple(fc.tuple(...kinds.map((dtype) => samples(dtype, shape))), fc.constant(n % (shape.length + 1))),
      );
    fc.assert(
      fc.property(cases, ([inputs, axis]) => {
        const models = met(inputs.map((x) => x.model));
        const shape = models[0]!.shape.toSpliced(axis, 0, models.length);
        const expected = tabulate(shape, models[0]!.dtype, (i) => at(models[i[axis]!]!, i.toSpliced(axis, 1)));
        const tensors = inputs.map((x) => x.on(device));
        expectModel(stack(tensors, axis), expected);
        expectModel(stack(tensors, axis - shape.length), expected);
      }),
      { numRuns: 60 },
    );
  });

  test('pad surrounds with a value of the dtype', () => {
    const cases = anySample(dtypes, shapes(0, 3)).chain((x) => {
      const width = fc.tuple(fc.nat(2), fc.nat(2));
      return fc.tuple(fc.constant(x), fc.tuple(...x.model.shape.map(() => width)), fc.constantFrom(0, 1, -3));
    });
    fc.assert(
      fc.property(cases, ([x, widths, value]) => {
        const { shape, dtype } = x.model;
        const inside = new Map(
          Array.from(indicesOf(shape), (i) => [String(i.map((v, axis) => v + widths[axis]![0])), at(x.model, i)]),
        );
        const outer = shape.map((d, axis) => widths[axis]![0] + d + widths[axis]![1]);
        expectModel(
          x.on(device).pad(widths, value),
          tabulate(outer, dtype, (i) => inside.get(String(i)) ?? value),
        );
      }),
      { numRuns: 60 },
    );
    const x = tensor([1], { device });
    expect([x.pad([[1, 0]]).toArray(), x.pad([[0, 1]], Number.NaN).toArray()]).toEqual([
      [0, 1],
      [1, Number.NaN],
    ]);
    expect(
      x
        .cast('int32')
        .pad([[1, 0]], 2.7)
        .toArray(),
    ).toEqual([2, 1]);
  });

  const x = (...shape: number[]) => zeros(shape, { device });
  test.each<[string, () => Tensor, typeof errors.GemlabError, string]>([
    [
      'concat of nothing',
      () => concat<Tensor>([]),
      errors.DataError,
      'concat: wants at least one tensor, found nothing',
    ],
    ['stack of nothing', () => stack<Tensor>([]), errors.DataError, 'stack: wants at least one tensor, found nothing'],
    [
      'parts that differ elsewhere',
      () => concat([x(2, 3), x(2, 4)]),
      errors.ShapeError,
      'concat: shapes [2,3], [2,4] differ outside axis 0',
    ],
    [
      'parts of two ranks',
      () => concat([x(2), x(2, 1)]),
      errors.ShapeError,
      'concat: shapes [2], [2,1] differ outside axis 0',
    ],
    [
      'concat of scalars',
      () => concat([x(), x()]),
      errors.AxisError,
      'concat: axis 0 is out of range for rank 0; a scalar has no axes',
    ],
    [
      'concat along no axis',
      () => concat([x(2)], 1),
      errors.AxisError,
      'concat: axis 1 is out of range for rank 1; valid axes are -1..0',
    ],
    ['stack of two shapes', () => stack([x(2), x(3)]), errors.ShapeError, 'stack: shapes [2], [3] differ'],
    [
      'stack beyond the new axis',
      () => stack([x(2)], 2),
      errors.AxisError,
      'stack: axis 2 is out of range for rank 2; valid axes are -2..1',
    ],
    [
      'too few widths',
      () => x(2, 2).pad([[1, 1]]),
      errors.ShapeError,
      'pad: [2,2] wants a pair of non-negative integers for each axis, found [[1,1]]',
    ],
    [
      'negative widths',
      () => x(2).pad([[-1, 0]]),
      errors.ShapeError,
      'pad: [2] wants a pair of non-negative integers for each axis, found [[-1,0]]',
    ],
  ])('refuses %s', (_, fn, kind, message) => {
    const error = thrown(fn);
    expect(error.message).toBe(message);
    expect(error).toBeInstanceOf(kind);
  });
});

test('long parts, which are copied as memory, and views of them join as the reference has them', () => {
  const sizes = fc.tuple(fc.nat(3), fc.nat(70), fc.nat(3));
  fc.assert(
    fc.property(sizes, fc.nat(2), fc.array(fc.nat(3), { minLength: 1, maxLength: 3 }), (shape, axis, lengths) => {
      const parts = (device: Device) =>
        lengths.map((length, i) => {
          const own = shape.map((d, a) => (a === axis ? length * 20 : d));
          const x = randn(own, new Rng(i)).to(device);
          return i === 1 ? x.flip(axis) : x;
        });
      const found = scope(() => concat(parts('cpu'), axis).dataSync());
      expect(found).toEqual(concat(parts('reference'), axis).dataSync());
    }),
  );
});
